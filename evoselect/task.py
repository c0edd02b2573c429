"""One selection problem, and what a method answers: the seam between `select` and all methods (ours)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.errors import InvalidInput
from evoselect.features import Matrix
from evoselect.pools.pool import Pool
from evoselect.redundancy import diversity
from evoselect.spec.selection import SelectionSpec
from evoselect.transport import Transport


@dataclass(frozen=True)
class Task:
    """pool (N, d), targets (M, d), masses (M,) sum 1 -> what the budget buys; rows are of norm 1.

    A method that counts rows gives k, best first; ``methods.within_budget`` makes a selection of those.
    """

    pool: Pool  # (N, d)
    targets: Tensor  # (M, d)
    k: int
    seed: int
    masses: Floats  # (M,) > 0, sum 1: how much each target counts
    spec: SelectionSpec = field(default_factory=SelectionSpec)
    groups: Ints | None = None  # (M,) group number of every target, 0..G-1
    texts: Sequence[str] | None = None  # N
    target_texts: Sequence[str] | None = None  # M
    given: Budget | None = None  # where it is not simply k rows
    known_bandwidth: float | None = None  # where it was measured already, on more targets than these
    staged: Callable[[str], None] = lambda stage: None  # told what is done: tuned, relaxed, chosen, curve

    @property
    def n(self) -> int:
        """Candidates."""
        return self.pool.shape[0]

    @cached_property
    def candidates(self) -> Matrix:
        """(N, d) all rows, for methods that read them; raises InvalidInput where they lie in shards."""
        return self.pool.matrix

    @property
    def m(self) -> int:
        """Targets."""
        return int(self.targets.shape[0])

    @cached_property
    def budget(self) -> Budget:
        """Over the N candidates."""
        return self.given or Budget.of_rows(self.n, self.k)

    @property
    def rng(self) -> np.random.Generator:
        """Anew at each use: a method draws the same whatever was drawn before."""
        return np.random.default_rng(self.seed)

    @cached_property
    def bandwidth(self) -> float:
        """Distance of unit rows at which their similarity is exp(-1/2)."""
        if self.known_bandwidth is not None:
            return self.known_bandwidth
        return diversity.bandwidth(self.pool, self.targets)

    def with_settings(self, **changed: object) -> "Task":
        """The same problem under other settings of its spec."""
        spec = self.spec.model_copy(update=changed)
        return replace(self, spec=spec, known_bandwidth=self.bandwidth)

    def with_targets(self, rows: Ints) -> "Task":
        """The same problem for targets ``rows`` (m,) alone, without groups and texts; the bandwidth stays."""
        masses = self.masses[rows] / self.masses[rows].sum()
        targets = self.targets[torch.from_numpy(rows).to(self.targets.device)]
        alone = replace(self, targets=targets, masses=masses, groups=None, target_texts=None)
        return replace(alone, known_bandwidth=self.bandwidth)


@dataclass(frozen=True)
class Chosen:
    """k distinct rows of the pool, what is pinned and then most valuable first, and what is known of them."""

    order: Ints  # (k,)
    score: Floats  # (k,), larger is better
    weights: Floats  # (k,), sum 1
    ot_gradient: Floats | None = None  # (k,)
    diagnostics: dict[str, object] = field(default_factory=dict)
    transport: Transport | None = None  # of the k rows in this order, where the method knows one
    similarity: scipy.sparse.csr_array | None = None  # (k, k) of the rows in this order, where it is known


Method = Callable[[Task], Chosen]


def top(score: Floats, k: int) -> Ints:
    """score (n,) -> (k,) rows of the k largest, best first, ties by index."""
    rows = np.arange(len(score))
    if 0 < k < len(score):
        rows = np.flatnonzero(score >= np.partition(score, len(score) - k)[len(score) - k])
    return rows[np.lexsort((rows, -score[rows]))[:k]]


def random_scores(n: int, seed: int) -> Floats:
    """(n,) uniform numbers: ranking by them is a uniform draw without replacement."""
    return np.random.default_rng(seed).random(n)


def scored(order: Ints, score: Floats, **diagnostics: object) -> Chosen:
    """Rows ``order`` (k,) with their score (k,), of equal weight."""
    return Chosen(order, score, np.full(len(order), 1.0 / len(order)), diagnostics=diagnostics)


def ranked(score: Floats, k: int, **diagnostics: object) -> Chosen:
    """The k largest of score (N,), best first."""
    order = top(score, k)
    return scored(order, score[order], **diagnostics)


def in_order(order: Ints) -> Chosen:
    """Rows ``order`` (k,) whose only score is their order."""
    return scored(order, -np.arange(len(order), dtype=np.float64))


def within_memory(task: Task, method: str, limit: int = 50_000_000) -> None:
    """Refuse a method that needs the whole (N, M) matrix where that has more than ``limit`` entries."""
    if task.n * task.m > limit:
        raise InvalidInput(
            f"method {method} holds all {task.n} x {task.m} costs, more than {limit} entries: "
            "use method capacity, or fewer candidates or targets"
        )
