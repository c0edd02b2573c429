"""The two sides of a selection, target and pool: records and features, row by row."""

from itertools import accumulate
from pathlib import Path
from typing import Any

from store.data import files, pools, targets
from store.data.sources import Source
from store.jobs.requests import Featured, SelectionWork
from store.records import record as records
from store.records.stored import Records
from workers.features.provided import Sent, provided
from workers.process.work import Work
from workers.selections.computed import load_computed
from workers.selections.side import Role, Side


def load(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role of what the request names; a copy of a file that came lies in the folder ``scratch``."""
    if asked.features.kind == "provided":
        return load_provided(work, asked, role, scratch)
    return load_computed(work, role)


def load_provided(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role's records and the matrix that came for them; raises Invalid where they do not fit."""
    given = asked.feature_files
    assert given is not None
    if role == "pool":
        return provided_pool(work, asked, given.pool, scratch)
    with work.context.database.transaction() as session:
        row = targets.get(session, work.claim.tenant_id, asked.target_id)
    return _provided(work, given.target, [Source("target", row.artifact, row.sha256, row.count)], scratch)


def provided_pool(work: Work, asked: Featured, file_id: str, scratch: Path) -> Side:
    """A pool's records and the matrix that came for them; raises Invalid where they do not fit."""
    with work.context.database.transaction() as session:
        pool = pools.get(session, work.claim.tenant_id, asked.pool_id)
        sources = pools.sources(session, pool, asked.pool_version)
        received = [row.received for row in pools.batches(session, pool.id, asked.pool_version)]
    return _provided(work, file_id, sources, scratch, received=received)


def _provided(
    work: Work, file_id: str, sources: list[Source], scratch: Path, *, received: list[int] | None = None
) -> Side:
    """``received`` of a pool: how many records came with each source."""
    with work.context.database.transaction() as session:
        file = files.get(session, work.claim.tenant_id, file_id)
    columns = [*records.SCHEMA.names, "position"]
    tables = [work.context.artifacts.get_table(source.artifact, source.sha256, columns) for source in sources]
    rows = Records.of(tables)
    path = work.context.artifacts.local_file(file.artifact, file.sha256, scratch)
    sent = None if received is None else _sent(tables, received)
    known, parts = provided(path, file.name or "", len(rows), sent)
    return Side(rows, known, parts, files=[(source.artifact, source.sha256) for source in sources])


def _sent(tables: list[Any], received: list[int]) -> Sent | None:
    """Where the stored records were among those sent; None for older batches."""
    stored: list[int] = []
    for table, first in zip(tables, accumulate(received, initial=0), strict=False):
        if "position" not in table.column_names:
            return None
        stored += [first + position for position in table.column("position").to_pylist()]
    return Sent(sum(received), stored)
