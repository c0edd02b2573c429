"""The rows of selected candidates as they came."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from workers.process.work import Work

COLUMNS = ("content_hash", "original")


def originals_of(work: Work, files: Sequence[tuple[str, str]], contents: set[str]) -> dict[str, str]:
    """Each row's JSON by content hash, of those in the stored files (path, sha256) that have kept it."""
    wanted = pa.array(sorted(contents), pa.string())
    found: dict[str, str] = {}
    for path, sha256 in files:
        table = work.context.artifacts.get_table(path, sha256, COLUMNS)
        if "original" in table.column_names:
            rows = table.filter(pc.is_in(table["content_hash"], wanted)).drop_null()
            found |= zip(*(rows[name].to_pylist() for name in COLUMNS), strict=True)
        work.progress(0)
    return found
