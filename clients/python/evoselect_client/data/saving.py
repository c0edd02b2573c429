"""What the service holds as files here: selected rows as they came, and the bytes of answers."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from evoselect_client.core.calls import PARQUET, Call, segment
from evoselect_client.core.steps import Steps, Work, each
from evoselect_client.errors import BadInputError, DamagedDownloadError

TABLES = (".parquet", ".pq")
NO_LINES = (".csv", ".tsv", ".xlsx", ".arrow", ".feather", ".gz", ".zst", ".zip")
"""Names of files that are neither lines nor Parquet: who opens one would be misled."""
HASHED = 2**20  # bytes at a time


def save_rows(noun: Any, id: str, path: Path, reasons: bool) -> Steps[Path]:
    """See Selection.save; the file appears only when it is complete."""
    check_name(path)
    save = save_table if path.suffix.lower() in TABLES else save_lines
    return (yield from save(noun, id, path, reasons))


def check_name(path: Path) -> None:
    """Raise BadInputError for a name whose end says another format than is written."""
    if path.suffix.lower() in NO_LINES:
        raise BadInputError(
            f"{path.name}: rows are written as JSON Lines or Parquet, so name a .jsonl or .parquet"
        )


def save_table(noun: Any, id: str, path: Path, reasons: bool) -> Steps[Path]:
    """See Selection.to_parquet."""
    asked = {"format": "original", "reasons": reasons}
    call = Call("GET", f"{noun.path}/{segment(id)}/items", bytes, asked, accept=PARQUET)
    return (yield from save_body(noun.session, call, path))


def save_body(session: Any, call: Call[Any], path: Path, sha256: str | None = None) -> Steps[Path]:
    """The body of an answer as a file that appears when it is complete; a piece is in memory at a time.

    DamagedDownloadError where its hash is not the one given.
    """
    part = _part(path)
    try:
        yield from session.send(call, part)
        if sha256 is not None and (yield Work(partial(sha256_of, part))) != sha256:
            size = part.stat().st_size
            raise DamagedDownloadError(f"{path.name} came damaged ({size} bytes): call again")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(HASHED):
            digest.update(piece)
    return digest.hexdigest()


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
