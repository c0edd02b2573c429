"""The two sides of a selection, target and pool: records and features, row by row."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from store.data import files, pools, targets
from store.data.sources import Source
from store.jobs.requests import SelectionWork
from store.records.stored import Records
from store.tables.data import File
from workers.features.provided import Sent, provided, rows_of
from workers.lists import matrix_windows
from workers.lists.asked import asked_before
from workers.process.work import Work
from workers.selections.computed import load_computed
from workers.selections.side import Role, Side


def load(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role of what the request names; a copy of a file that came lies in the folder ``scratch``."""
    if asked.features.kind == "provided":
        return load_provided(work, asked, role, scratch)
    return load_computed(work, role, scratch)


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
    local = [work.context.artifacts.local_file(source.artifact, source.sha256, scratch) for source in sources]
    rows = Records.stored(local)
    named = [(source.artifact, source.sha256) for source in sources]
    side = Side(rows, files=named)
    if role == "pool":
        sent = _sent(local, received)
        return _with_matrix(work, side, file, asked=asked, sent=sent, scratch=scratch)
    path = work.context.artifacts.local_file(file.artifact, file.sha256, scratch)
    found = provided(path, file.name or "", len(rows), scratch=scratch)
    return replace(side, known=found.known, shards=found.shards)


def _with_matrix(
    work: Work, side: Side, file: File, *, asked: SelectionWork, sent: Sent | None, scratch: Path
) -> Side:
    """The candidates with the matrix that came for them; what was read through before is not opened again."""
    seen = asked_before(work, "seen")
    if (before := matrix_windows.get(work, seen)) is not None:
        known, windows = before
        own = rows_of(windows.rows, len(side.records), sent)
        assert own is not None
        return replace(side, known=known, stretches=windows.stretches(own), seen=seen)
    path = work.context.artifacts.local_file(file.artifact, file.sha256, scratch)
    found = provided(path, file.name or "", len(side.records), sent, scratch=scratch)
    read = replace(side, known=found.known, shards=found.shards)
    other = asked.spec.method != "capacity"  # such a method reads every row
    parts = None if other else matrix_windows.windows_of(work, found, file.artifact)
    if parts is None:
        return read
    kept = matrix_windows.put(work, found.known, parts)
    return replace(read, stretches=parts.stretches(found.rows), seen=kept)


def _sent(paths: Sequence[Path], received: Sequence[int]) -> Sent | None:
    """Where the stored records were among those sent; None for older batches."""
    stored = [np.empty(0, dtype=np.int64)]
    for path, first in zip(paths, accumulate(received, initial=0), strict=False):
        for table in Records.stored([path]).tables(["position"]):
            if not table.num_columns:
                return None
            stored.append(table.column(0).to_numpy() + first)
    return Sent(sum(received), np.concatenate(stored))
