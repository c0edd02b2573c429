"""The two sides of a selection, target and pool: records and features, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from store.data import files, pools, targets
from store.data.sources import Source
from store.jobs.requests import Featured, SelectionWork
from store.records.stored import Records
from store.tables.data import File
from workers.features.provided import Provided, Sent, provided, rows_of
from workers.lists import matrix_windows
from workers.lists.asked import asked_before
from workers.process.work import Work
from workers.selections.side import Role, Side


def load(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role of what the request names; a copy of a file that came lies in the folder ``scratch``."""
    if asked.features.kind == "provided":
        return load_provided(work, asked, role, scratch)
    from workers.selections.computed import load_computed  # with transformers, which takes seconds
    from workers.selections.funnel.loading import load_funnelled

    if role == "pool" and asked.features.funnel is not None:
        return load_funnelled(work, asked, scratch)
    return load_computed(work, role, scratch)


def load_provided(work: Work, asked: SelectionWork, role: Role, scratch: Path) -> Side:
    """One role's records and the matrix that came for them; raises Invalid where they do not fit."""
    given = asked.feature_files
    assert given is not None
    if role == "pool":
        return _in_windows(work, asked, given.pool, scratch)
    with work.context.database.transaction() as session:
        row = targets.get(session, work.claim.tenant_id, asked.target_id)
    came = _came(work, [Source("target", row.artifact, row.sha256, row.count)], None, scratch)
    return _read(came, _open(work, _file(work, given.target), came, scratch))


def provided_pool(work: Work, asked: Featured, file_id: str, scratch: Path) -> Side:
    """A pool's records and the matrix that came for them; raises Invalid where they do not fit."""
    came = _pool(work, asked, scratch)
    return _read(came, _open(work, _file(work, file_id), came, scratch))


def _in_windows(work: Work, asked: SelectionWork, file_id: str, scratch: Path) -> Side:
    """The same; shards answer for a large one, and what was read through before is not opened again."""
    came = _pool(work, asked, scratch)
    seen = asked_before(work, "seen")
    if (before := matrix_windows.get(work, seen)) is not None:
        known, windows = before
        own = rows_of(windows.rows, len(came.side.records), came.sent)
        assert own is not None
        return replace(came.side, known=known, stretches=windows.stretches(own), seen=seen)
    file = _file(work, file_id)
    found = _open(work, file, came, scratch)
    other = asked.spec.method != "capacity"  # such a method reads every row
    parts = None if other else matrix_windows.windows_of(work, found, file.artifact)
    if parts is None:
        return _read(came, found)
    kept = matrix_windows.put(work, found.known, parts)
    return replace(_read(came, found), stretches=parts.stretches(found.rows), seen=kept)


@dataclass(frozen=True, slots=True)
class _Came:
    """Records for which a matrix came, and where they were among those that were sent."""

    side: Side
    sent: Sent | None


def _pool(work: Work, asked: Featured, scratch: Path) -> _Came:
    with work.context.database.transaction() as session:
        pool = pools.get(session, work.claim.tenant_id, asked.pool_id)
        sources = pools.sources(session, pool, asked.pool_version)
        received = [row.received for row in pools.batches(session, pool.id, asked.pool_version)]
    return _came(work, sources, received, scratch)


def _came(work: Work, sources: Sequence[Source], received: Sequence[int] | None, scratch: Path) -> _Came:
    """``received`` of a pool: how many records came with each source."""
    local = [work.context.artifacts.local_file(source.artifact, source.sha256, scratch) for source in sources]
    named = [(source.artifact, source.sha256) for source in sources]
    return _Came(
        Side(Records.stored(local), files=named), None if received is None else _sent(local, received)
    )


def _open(work: Work, file: File, came: _Came, scratch: Path) -> Provided:
    path = work.context.artifacts.local_file(file.artifact, file.sha256, scratch)
    return provided(path, file.name or "", len(came.side.records), came.sent, scratch=scratch)


def _file(work: Work, file_id: str) -> File:
    with work.context.database.transaction() as session:
        return files.get(session, work.claim.tenant_id, file_id)


def _read(came: _Came, found: Provided) -> Side:
    return replace(came.side, known=found.known, shards=found.shards)


def _sent(paths: Sequence[Path], received: Sequence[int]) -> Sent | None:
    """Where the stored records were among those sent; None for older batches."""
    stored = [np.empty(0, dtype=np.int64)]
    for path, first in zip(paths, accumulate(received, initial=0), strict=False):
        for table in Records.stored([path]).tables(["position"]):
            if not table.num_columns:
                return None
            stored.append(table.column(0).to_numpy() + first)
    return Sent(sum(received), np.concatenate(stored))
