"""The health of a loop's round, computed where its features are: of all candidates, and of the selected."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.features import Matrix, gather
from evoselect.measures import health as measures
from evoselect.neighbours.both_ways import Nearest, nearest_both_ways
from store.jobs.results import Health, SideHealth
from store.loops import steps as loop_steps
from store.records.record import Record, plain_text
from store.records.stored import some
from workers.process.work import Work

TEXTS = 2_000  # of a side, whose lengths and openings are looked at


def is_looked_at(work: Work) -> bool:
    """Whether the selection is the selected arm of a loop's round."""
    with work.context.database.transaction() as session:
        step = loop_steps.of_step(session, work.claim.job_id)
    return step is not None and step.step == "select"


def health_of(
    sent: Sequence[Record],
    wanted: Sequence[Record],
    *,
    candidates: Matrix,
    targets: Tensor,
    near: Nearest,
    chosen: Ints,
    seed: int,
) -> Health:
    """candidates (N, d) and targets (M, d), unit rows, of the records; chosen (k,) rows of the candidates."""
    picked = gather(candidates, torch.from_numpy(chosen))
    served = nearest_both_ways(picked, targets)
    goals = _some(wanted, seed)
    chosen_records = list(some(sent, chosen.tolist()).values())
    return Health(
        candidates=_side(candidates, sent, near, targets=targets, goals=goals, seed=seed),
        selected=_side(picked, chosen_records, served, targets=targets, goals=goals, seed=seed),
        target_rows=len(wanted),
        target_opening_share=measures.opening_share([plain_text(record) for record in goals]),
    )


def _side(
    rows: Matrix,
    records: Sequence[Record],
    near: Nearest,
    *,
    targets: Tensor,
    goals: Sequence[Record],
    seed: int,
) -> SideHealth:
    found, read = measures.spread(rows, targets, seed), _some(records, seed)
    return SideHealth(
        rows=len(records),
        vendi=found.vendi,
        diversity=found.diversity,
        coverage=float(near.best.mean()),
        distance=found.distance,
        length_ratio=measures.length_ratio(_lengths(read), _lengths(goals)),
        opening_share=measures.opening_share([plain_text(record) for record in read]),
    )


def _some(records: Sequence[Record], seed: int) -> Sequence[Record]:
    if len(records) <= TEXTS:
        return records
    rows = np.random.default_rng(seed).choice(len(records), TEXTS, replace=False)
    return list(some(records, rows.tolist()).values())


def _lengths(records: Sequence[Record]) -> list[int]:
    """Characters of the answers."""
    return [len(record.completion.strip()) for record in records]
