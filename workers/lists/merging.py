"""The answers of feature shards as one pool: asked for where missing, refused where foreign.

transport -> Wanted(sums) -> transport -> Wanted(lists) -> transport, which merges

A worker that dies in between costs its own shard alone: what others left stays.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.capacity import foreseen
from evoselect.errors import InvalidInput
from evoselect.pools import asked as questions_file
from evoselect.pools import left as left_file
from evoselect.pools.kept import Kept
from evoselect.pools.left import Left, Questions
from evoselect.pools.part import Part, Rows
from evoselect.pools.pool import Pool
from evoselect.report import numbers
from evoselect.representations.shards import (
    Features,
    Fitted,
    added,
    fitted_to,
    require_differences,
)
from evoselect.representations.stored import fitted_from_tensors, fitted_to_tensors, totals_from_tensors
from evoselect.usable import usable_rows as distinct_rows
from store.artifacts import StoredFile
from store.errors import ArtifactCorrupt, DamagedInput
from store.jobs import shards
from store.jobs.plans import ListedPart, ShardPlan, Wanted
from store.jobs.results import ListedResult
from store.tables.jobs import Shard
from store.tables.states import ShardState
from workers.features.file_rows import Spill
from workers.lists import files, limits, reading
from workers.lists.problem import Problem
from workers.lists.recalled import Recalled
from workers.process.work import Work

logger = logging.getLogger(__name__)
Tensors = dict[str, Tensor]
T = TypeVar("T")


@dataclass(frozen=True)
class Merged:
    """The candidates as their shards answered, and the targets that they were asked about."""

    pool: Pool
    targets: Tensor  # (M, d) float32

    @property
    def counts(self) -> dict[str, int]:
        """How many shards answered, and how often one was asked for what was not foreseen."""
        asked = [part.store.asked for part in self.pool.parts if isinstance(part, Kept)]
        return {"shards": len(asked), "asked_again": sum(asked)}


@dataclass(frozen=True)
class _Foreseen:
    """What is asked of every shard, and the rows that it is to keep whatever it answers."""

    fitted: Fitted
    questions: Questions
    kept: Ints  # of all usable candidates, ascending


def merged(problem: Problem, scratch: Path) -> Merged:
    """What the shards left; a shard that has to be searched again writes its rows to a file in ``scratch``.

    Raises Wanted with what has to be done first, and DamagedInput with what has to be done again.
    """
    work = problem.work
    limits.require_possible(problem)
    done = _done(work, "lists", problem.fingerprint, len(problem.parts))
    missing = [index for index, shard in enumerate(done) if shard is None]
    if missing:
        raise Wanted(_list_plans(problem, _foreseen(problem), missing))
    held = [shard for shard in done if shard is not None]
    spill = Spill(scratch)
    read = _read(work, held, partial(_left, spill))
    first = ListedPart.model_validate(held[0].payload)
    fitted = cache(partial(_fitted, work, first))
    questions = questions_file.from_tensors(files.get(work, _named(first.questions)))
    parts = []
    for shard, (left, _) in zip(held, read, strict=True):
        part = ListedPart.model_validate(shard.payload)
        again = partial(_again, work, part, fitted, scratch)
        parts.append(Kept.of(left, questions, again))
    assert questions.near is not None
    if problem.spec.conditioning != "none":
        places = zip(problem.parts, read, strict=True)
        alike = [row + own.first for own, (_, none_left) in places for row in none_left]
        require_differences(alike, problem.n, "candidates")
    return Merged(Pool.in_shards(parts), questions.near)


def _done(work: Work, phase: str, fingerprint: str, count: int) -> list[Shard | None]:
    """The shards of a phase that answered what is asked now, None for others; raises DamagedInput."""
    with work.context.database.transaction() as session:
        held = {shard.index: shard for shard in shards.of_phase(session, work.claim.job_id, phase)}
    found: list[Shard | None] = []
    for index in range(count):
        shard = held.get(index)
        own = (
            shard is not None
            and shard.state == ShardState.DONE
            and shard.payload.get("fingerprint") == fingerprint
        )
        found.append(shard if own else None)
    kinds = {shard.id: ListedResult.of(shard.result).kind for shard in found if shard is not None}
    if foreign := [shard_id for shard_id, kind in kinds.items() if kind != files.KIND]:
        logger.warning(
            "%s of shards of kind %r, and this worker is of kind %r: they are made again; keep all workers "
            "of one release",
            phase,
            kinds[foreign[0]],
            files.KIND,
        )
        raise DamagedInput(foreign)
    return found


def _left(spill: Spill, named: Tensors) -> tuple[Left, list[int]]:
    """The answers of a shard, its rows in a file, and those of which conditioning left nothing."""
    left = left_file.from_tensors(named)
    return replace(left, values=spill.put(named["values"])), named["alike"].tolist()


def _read(work: Work, held: list[Shard], taken: Callable[[Tensors], T]) -> list[T]:
    """What is ``taken`` of what each shard left.

    Raises DamagedInput with those whose file is missing or was changed.
    """
    found, damaged = [], []
    for shard in held:
        try:
            found.append(taken(files.get(work, ListedResult.of(shard.result).file)))
        except ArtifactCorrupt as error:
            logger.warning("%s", error)
            damaged.append(shard.id)
        work.progress(0)
    if damaged:
        raise DamagedInput(damaged)
    return found


def _foreseen(problem: Problem) -> _Foreseen:
    """From the sums of all shards, which are asked for where they are missing."""
    done = _done(problem.work, "sums", problem.fingerprint, len(problem.parts))
    if missing := [index for index, shard in enumerate(done) if shard is None]:
        raise Wanted([problem.sums_plan(index) for index in missing])
    read = _read(problem.work, [shard for shard in done if shard is not None], dict)
    fitted = fitted_to(added([totals_from_tensors(named) for named in read]), problem.spec)
    targets = fitted.apply(problem.target)
    if problem.spec.conditioning != "none":
        require_differences(fitted.alike(targets).tolist(), problem.m, "targets")
    pool = Pool.in_shards([_sampled(problem, fitted, *pair) for pair in enumerate(read)])
    distinct = distinct_rows(pool, problem.budget)
    questions = foreseen.questions(
        pool.among(distinct), targets, problem.masses, problem.budget.among(distinct)
    )
    limits.require_few_edges(problem, questions, pool.among(distinct))
    read_anyway = numbers.foreseen(problem.n, distinct, problem.budget, problem.asked.seed)
    sample = np.arange(0, problem.n, problem.step)
    kept = np.unique(np.concatenate([sample, read_anyway, problem.read_anyway, problem.budget.pinned]))
    return _Foreseen(fitted, questions, kept)


def _sampled(problem: Problem, fitted: Fitted, index: int, named: Tensors) -> Kept:
    """A part of which only the sample is there, and of the others whether they are copies."""
    own, raw = problem.parts[index], named["raw.values"]
    values = torch.empty(len(raw), fitted.width, dtype=torch.float16)
    fitted.apply(Features(raw, named.get("raw.hidden")), values)
    rows = np.arange(-own.first % problem.step, len(own.rows), problem.step)
    hashes = named["hashes"].numpy()
    left = Left(torch.Size((len(own.rows), fitted.width)), hashes, rows, values)
    return Kept.of(left, Questions(), _not_read)


def _not_read() -> Part:
    raise InvalidInput("of the sample nothing but its rows can be asked: this is a fault of this program")


def _list_plans(problem: Problem, asked: _Foreseen, wanted: list[int]) -> list[ShardPlan]:
    fitted = files.put(problem.work, fitted_to_tensors(asked.fitted))
    questions = files.put(problem.work, questions_file.to_tensors(asked.questions))
    plans = []
    for index in wanted:
        own = problem.parts[index]
        start, stop = np.searchsorted(asked.kept, [own.first, own.first + len(own.rows)])
        kept = torch.from_numpy(asked.kept[start:stop] - own.first)
        rows = files.put(problem.work, {"rows": torch.from_numpy(own.places).int(), "kept": kept})
        plans.append(problem.plan("lists", index, rows, {"fitted": fitted, "questions": questions}))
    return plans


def _again(work: Work, part: ListedPart, fitted: Callable[[], Fitted], scratch: Path) -> Part:
    rows = reading.usable_rows(work, part, files.get(work, part.rows))
    return Rows(Recalled(fitted(), rows, scratch))


def _fitted(work: Work, part: ListedPart) -> Fitted:
    return fitted_from_tensors(files.get(work, _named(part.fitted)))


def _named(stored: StoredFile | None) -> StoredFile:
    """A file that every shard of phase lists names."""
    assert stored is not None
    return stored
