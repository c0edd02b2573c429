"""Selected rows into a file, as they came: lines, or a table where the pool was one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from evoselect_client.core.calls import PARQUET, Call, segment
from evoselect_client.core.steps import Steps, Work, each

TABLES = (".parquet", ".pq")


def save_rows(noun: Any, id: str, path: Path, reasons: bool) -> Steps[Path]:
    """See Selection.save; the file appears only when it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        if path.suffix.lower() in TABLES:
            asked = {"format": "original", "reasons": reasons}
            call = Call("GET", f"{noun.path}/{segment(id)}/items", bytes, asked, accept=PARQUET)
            yield Work(partial(temporary.write_bytes, (yield from noun.session.send(call))))
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                yield from each(noun.originals(id, reasons, 500), lambda row: print(row, file=file))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
