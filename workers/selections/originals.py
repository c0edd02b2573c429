"""The rows of selected candidates as they came."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from store.artifacts import StoredFile
from store.data import pools
from store.jobs.requests import SelectionWork
from store.records.stored import Records
from store.records.table_rows import taken
from store.results import picked
from workers.process.work import Work

COLUMNS = ("content_hash", "original", "position")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the stored files of a pool have kept of some contents."""

    originals: dict[str, str] = field(default_factory=dict)
    """The JSON of rows by content hash, where it was kept."""
    places: dict[str, dict[str, int]] = field(default_factory=dict)
    """By path of a file: content hash to the number of the row in its batch, ascending."""


def kept_of(work: Work, files: Sequence[tuple[str, str]], contents: set[str]) -> Kept:
    """What the files (path, sha256) have kept of these contents."""
    wanted = pa.array(sorted(contents), pa.string())
    kept = Kept()
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=work.context.settings.home) as scratch:
        for path, sha256 in files:
            file = work.context.artifacts.local_file(path, sha256, Path(scratch))
            for table in Records.stored([file]).tables(COLUMNS):
                _keep(kept, path, table.filter(pc.is_in(table["content_hash"], wanted)))
                work.progress(0)
    return kept


def _keep(kept: Kept, path: str, rows: pa.Table) -> None:
    hashes = rows["content_hash"].to_pylist()
    if "original" in rows.column_names:
        pairs = zip(hashes, rows["original"].to_pylist(), strict=True)
        kept.originals.update({content: text for content, text in pairs if text is not None})
    if "position" in rows.column_names and hashes:
        kept.places.setdefault(path, {}).update(zip(hashes, rows["position"].to_pylist(), strict=True))


def table_of(work: Work, asked: SelectionWork, kept: Kept, contents: Sequence[str]) -> dict[str, StoredFile]:
    """{table: its file} of the rows in the order of `contents`, their hashes; see store.records.table_rows.

    Empty unless all batches of the pool came as tables with the same columns.
    """
    artifacts = work.context.artifacts
    with work.context.database.transaction() as session:
        batches = pools.batches(session, asked.pool_id, asked.pool_version)
        sources = {batch.artifact: batch.source or {} for batch in batches}
    if len({source.get("schema") for source in sources.values()}) != 1 or not all(sources.values()):
        return {}
    order: dict[str, int] = {}
    parts = []
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=work.context.settings.home) as scratch:
        for path, places in kept.places.items():
            source = StoredFile.model_validate(sources[path])
            file = artifacts.local_file(source.path, source.sha256, Path(scratch))
            parts.append(taken(file, list(places.values())))
            order |= {content: len(order) + row for row, content in enumerate(places)}
            work.progress(0)
    schema = parts[0].schema
    table = pa.concat_tables([part.replace_schema_metadata(schema.metadata) for part in parts])
    rows = table.take([order[content] for content in contents])
    return {"table": picked.put(artifacts, f"{work.claim.tenant_id}/picked", rows)}
