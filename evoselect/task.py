"""What every baseline gets and gives back: one signature for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.spec.selection import SelectionSpec


@dataclass(frozen=True)
class Checkpoint:
    """Features of the same rows at another checkpoint, for LESS."""

    candidates: Tensor  # (N, d_c) unit rows
    targets: Tensor  # (M, d_c) unit rows
    weight: float  # mean learning rate of its epoch


@dataclass(frozen=True)
class Task:
    """One selection problem as the baselines see it; rows are of norm 1."""

    candidates: Tensor  # (N, d)
    targets: Tensor  # (M, d)
    k: int
    seed: int
    spec: SelectionSpec = field(default_factory=SelectionSpec)
    groups: Ints | None = None  # (M,) group number of every target, 0..G-1
    checkpoints: Sequence[Checkpoint] = ()
    texts: Sequence[str] | None = None  # N
    target_texts: Sequence[str] | None = None  # M

    @property
    def n(self) -> int:
        return int(self.candidates.shape[0])

    @property
    def m(self) -> int:
        return int(self.targets.shape[0])

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Ranking:
    """k distinct rows, best first, their scores, and what the method has to say about itself."""

    order: Ints
    score: Floats
    notes: dict[str, object] = field(default_factory=dict)


Baseline = Callable[[Task], Ranking]


def top(score: Floats, k: int) -> Ints:
    """Rows of the k largest scores, best first, ties by index."""
    return np.lexsort((np.arange(len(score)), -score))[:k]


def ranked(score: Floats, k: int, **notes: object) -> Ranking:
    """The k largest of (N,) scores as a ranking."""
    order = top(score, k)
    return Ranking(order, score[order], notes)


def in_order(order: Ints, **notes: object) -> Ranking:
    """A ranking whose only score is its order."""
    return Ranking(order, -np.arange(len(order), dtype=np.float64), notes)


def within_memory(task: Task, method: str, limit: int = 50_000_000) -> None:
    """Refuse a method that needs the whole (N, M) matrix where that has more than ``limit`` entries."""
    if task.n * task.m > limit:
        raise InvalidInput(
            f"method {method} holds all {task.n} x {task.m} costs, more than {limit} entries: "
            "use method capacity, or fewer candidates or targets"
        )
