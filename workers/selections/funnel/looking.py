"""A cheap look at all candidates, which asks for the features of those that go through."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
import pyarrow.parquet as pq

from evoselect import funnel as looks
from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.spec.funnel import SPARE, Funnel
from store.artifacts import Artifact
from store.data.sources import Source
from store.errors import Invalid
from store.jobs import pace, shards
from store.jobs.plans import Wanted, feature_shards
from store.jobs.requests import SelectionWork
from store.records.record import SCHEMA, Record, plain_text, to_table
from store.records.stored import BATCH, Records
from workers.features.statuses import Statuses
from workers.process.work import Work
from workers.selections.budgets import budget_of
from workers.selections.eligibility import require_enough, usable_of
from workers.selections.funnel import through
from workers.selections.funnel.through import Through
from workers.selections.side import Side


def look(work: Work, asked: SelectionWork, target: Side, pool: Side, *, eligibility: Statuses) -> None:
    """Mark the usable candidates that did not go through.

    Where nobody has looked yet, raises Wanted with the features of those that go on, or Invalid where these
    are too few.
    """
    spec = asked.features.funnel
    if spec is None:
        return
    rows = usable_of(eligibility)
    if pool.through is None:
        wanted = target.known.status.rows("ok").tolist()
        require_enough(len(wanted), asked.k, eligibility)
        budget = budget_of(asked, pool, rows, eligibility)
        _ask(work, asked, pool.records.at(rows), list(target.records.at(wanted)), rows=rows, budget=budget)
    eligibility.give(np.setdiff1d(rows, pool.through.rows, assume_unique=True), "funnelled_out")


def _ask(
    work: Work,
    asked: SelectionWork,
    candidates: Records,
    wanted: Sequence[Record],
    *,
    rows: Ints,
    budget: Budget,
) -> NoReturn:
    """Look at the ``candidates``, which are those ``rows`` (n,) of the pool, and ask for features."""
    spec = asked.features.funnel
    assert spec is not None
    kept = _nearest(work, spec, candidates, wanted, budget=budget)
    _require_spare(budget, len(kept), len(rows))
    drawn = looks.drawn(len(rows), asked.seed)
    on = np.unique(np.concatenate([kept, drawn, budget.pinned]))
    file = _put_records(work, candidates.at(on))
    went = through.put(work, Through(rows[on], np.isin(on, kept), np.isin(on, drawn)))
    with work.context.database.transaction() as session:
        held = shards.of_phase(session, work.claim.job_id, "features")
        before = [shard for shard in held if shard.payload["role"] == "pool"]  # where what went on was lost
        shard_rows = pace.shard_rows(session, work.claim.tenant_id, asked, work.context.settings)
    raise Wanted(
        feature_shards(
            [Source("pool", file.path, file.sha256, len(on))],
            before[0].rows_total if before else shard_rows,
            len(asked.features.checkpoints) or 1,
            funnel=went,
            before=len(held) - len(before),
        )
    )


def _nearest(
    work: Work, spec: Funnel, candidates: Records, wanted: Sequence[Record], *, budget: Budget
) -> Ints:
    """Of each group of candidates its share, and more where the budget has to take more of it."""
    mean = looks.mean_of(looks.counted(texts) for texts in _texts(work, candidates))
    targets = looks.counted([plain_text(record) for record in wanted])
    near = looks.Near(targets, mean, listed=spec.nearest(len(candidates)))
    for texts in _texts(work, candidates):
        near.add(looks.counted(texts))
    group, least = _groups(budget)
    sizes = np.bincount(group, minlength=len(least))
    share = np.ceil(spec.share * sizes).astype(np.int64)
    return near.nearest(group, np.minimum(sizes, np.maximum(share, SPARE * least)))


def _texts(work: Work, records: Records) -> Iterator[list[str]]:
    """A group at a time."""
    group: list[str] = []
    for record in records:
        group.append(plain_text(record))
        if len(group) == BATCH:
            yield group
            work.progress(0)
            group = []
    if group:
        yield group


def _groups(budget: Budget) -> tuple[Ints, Ints]:
    """The group of each candidate, and what a selection takes of each at least."""
    if budget.bounds is None:
        return np.zeros(len(budget.prices), dtype=np.int64), np.zeros(1, dtype=np.int64)
    return budget.bounds.of, budget.bounds.least


def _require_spare(budget: Budget, kept: int, candidates: int) -> None:
    if SPARE * budget.total > kept:
        raise Invalid(
            f"k is {budget.total}, and the funnel lets {kept} of {candidates} candidates that can be "
            f"selected through: ask for at most {kept // SPARE}, a quarter of these, or raise "
            "features.funnel.share, or leave the funnel out",
            code="funnel_too_narrow",
        )


def _put_records(work: Work, records: Records) -> Artifact:
    """A file of these records alone, which feature shards read."""
    with tempfile.TemporaryFile(prefix="evoselect-") as file:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for start in range(0, len(records), BATCH):
                writer.write_table(to_table(records[start : start + BATCH]))
        return work.context.artifacts.put_stream(f"{work.claim.tenant_id}/funnel", file, ".parquet")
