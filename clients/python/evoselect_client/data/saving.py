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
    save = save_table if path.suffix.lower() in TABLES else save_lines
    return (yield from save(noun, id, path, reasons))


def save_table(noun: Any, id: str, path: Path, reasons: bool) -> Steps[Path]:
    """See Selection.to_parquet."""
    asked = {"format": "original", "reasons": reasons}
    call = Call("GET", f"{noun.path}/{segment(id)}/items", bytes, asked, accept=PARQUET)
    part = _part(path)
    try:
        content = yield from noun.session.send(call)
        yield Work(partial(part.write_bytes, content))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def save_lines(noun: Any, id: str, path: Path, reasons: bool) -> Steps[Path]:
    """See Selection.to_jsonl; one page of rows is in memory at a time."""
    part = _part(path)
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield from each(
                noun.rows.steps(id, reasons=reasons), lambda rows: file.writelines(f"{row}\n" for row in rows)
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
