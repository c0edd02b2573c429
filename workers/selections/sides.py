"""The two sides of a selection, target and pool: records and features, row by row."""

from itertools import accumulate
from pathlib import Path
from typing import Any

from store.data import files, pools, targets
from store.data.sources import Source
from store.jobs.requests import SelectionWork
from store.records import record as records
from store.records.stored import Records
from workers.features.provided import Sent, provided
from workers.lists import matrix_windows
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
    tenant, given = work.claim.tenant_id, asked.feature_files
    assert given is not None
    with work.context.database.transaction() as session:
        file = files.get(session, tenant, given.target if role == "target" else given.pool)
        if role == "target":
            row = targets.get(session, tenant, asked.target_id)
            sources = [Source("target", row.artifact, row.sha256, row.count)]
            received = [row.count]
        else:
            pool = pools.get(session, tenant, asked.pool_id)
            sources = pools.sources(session, pool, asked.pool_version)
            received = [row.received for row in pools.batches(session, pool.id, asked.pool_version)]
    columns = [*records.SCHEMA.names, "position"]
    tables = [work.context.artifacts.get_table(source.artifact, source.sha256, columns) for source in sources]
    rows = Records.of(tables)
    path = work.context.artifacts.local_file(file.artifact, file.sha256, scratch)
    sent = _sent(tables, received) if role == "pool" else None
    found = provided(path, file.name or "", len(rows), sent, scratch=scratch)
    parts = matrix_windows.stretches(work, found, file.artifact) if _is_asked_in_parts(asked, role) else ()
    named = [(source.artifact, source.sha256) for source in sources]
    return Side(rows, found.known, found.shards, files=named, stretches=parts)


def _is_asked_in_parts(asked: SelectionWork, role: Role) -> bool:
    """Whether the shards of a large side answer for its rows; other methods read every row."""
    return role == "pool" and asked.spec.method == "capacity"


def _sent(tables: list[Any], received: list[int]) -> Sent | None:
    """Where the stored records were among those sent; None for older batches."""
    stored: list[int] = []
    for table, first in zip(tables, accumulate(received, initial=0), strict=False):
        if "position" not in table.column_names:
            return None
        stored += [first + position for position in table.column("position").to_pylist()]
    return Sent(sum(received), stored)
