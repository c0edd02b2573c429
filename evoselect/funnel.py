"""A cheap look at a whole pool: which candidates are near a target by the words of their texts.

A text is its uni- and bigrams, hashed as for DSIR, each weighed by log(1 + count). As for features, a row
gets norm 1, the mean of the pool is subtracted, and near is a large cosine of what is left. Words that many
texts have are not weighed down: forms of prompts are made of them, and gradients see form. Candidates come a
group at a time, so that a pool need not be held. Whether the nearest by words are those that features would
have named is measured on a drawn sample (ours; docs/decisions/0116 has what else was tried).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.stats import beta

from evoselect.arrays import Floats, Ints
from evoselect.baselines.dsir import BUCKETS, hashed_ngrams
from evoselect.spec.funnel import SPARE, sampled

LEVEL = 0.95  # of the interval
MOST_LISTED = 2**24  # candidates in the lists of all targets: 12 bytes each, twice while they are made
UNLISTED = 2**31 - 1  # the rank of what is in no list
Bools = npt.NDArray[np.bool_]
Singles = npt.NDArray[np.float32]


def counted(texts: Sequence[str]) -> sparse.csr_array:
    """(n, BUCKETS) float32 rows of norm 1; of zeros where a text has no word."""
    found = [np.unique(hashed_ngrams(text), return_counts=True) for text in texts]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
    buckets = np.concatenate([np.empty(0, dtype=np.int64), *(own for own, _ in found)])
    values = np.log1p(np.concatenate([np.empty(0), *(counts for _, counts in found)]))
    owner = np.repeat(np.arange(len(texts)), np.diff(ends))
    norms = np.sqrt(np.bincount(owner, values**2, minlength=len(texts)))
    scaled = (values / norms[owner]).astype(np.float32)
    return sparse.csr_array((scaled, buckets, ends), shape=(len(texts), BUCKETS))


def mean_of(groups: Iterable[sparse.csr_array]) -> Singles:
    """groups (n, BUCKETS) of rows, one row at least in all -> (BUCKETS,) their mean."""
    total, rows = np.zeros(BUCKETS), 0
    for group in groups:
        total += group.sum(axis=0)
        rows += group.shape[0]
    return np.asarray(total / rows, dtype=np.float32)


class Near:
    """The candidates nearest to each of M targets, while groups of candidates come in their order."""

    def __init__(self, targets: sparse.csr_array, mean: Singles, listed: int) -> None:
        """targets (M, BUCKETS), mean (BUCKETS,); ``listed``: how many of each are told apart by rank."""
        centred = targets.toarray() - mean
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        self._targets = np.ascontiguousarray((centred / np.where(norms > 0, norms, 1)).T)  # (BUCKETS, M)
        self._mean, self._listed = mean, max(1, min(listed, MOST_LISTED // len(centred)))
        self._cosine = np.empty((len(centred), 0), dtype=np.float32)
        self._row = np.empty((len(centred), 0), dtype=np.int64)
        self._pending: list[Singles] = []
        self._closest: list[Singles] = []
        self.rows = 0

    def add(self, rows: sparse.csr_array) -> None:
        """The next candidates: rows (n, BUCKETS)."""
        squares = 1 - 2 * (rows @ self._mean) + self._mean @ self._mean
        lengths = np.sqrt(np.maximum(squares, 1e-12))[:, None]
        cosine = (rows @ self._targets - self._mean @ self._targets) / lengths  # (n, M)
        self._closest.append(cosine.max(axis=1))
        self._pending.append(cosine.T)
        if sum(block.shape[1] for block in self._pending) > self._listed:
            self._list()

    def _list(self) -> None:
        cosine = np.concatenate([self._cosine, *self._pending], axis=1)
        more = cosine.shape[1] - self._row.shape[1]
        own = np.broadcast_to(np.arange(self.rows, self.rows + more), (len(cosine), more))
        row = np.concatenate([self._row, own], axis=1)
        order = np.argsort(-cosine, axis=1, kind="stable")[:, : self._listed]  # ties: the earlier row
        self._cosine, self._row = (np.take_along_axis(side, order, axis=1) for side in (cosine, row))
        self._pending, self.rows = [], self.rows + more

    def nearest(self, group: Ints, wanted: Ints) -> Ints:
        """group (N,) from 0, wanted (groups,) -> (n,) rows, ascending, of each group so many as are wanted.

        They are taken in the order of `in_turn`. What no list holds comes last, by its nearest target.
        """
        if self._pending:
            self._list()
        rank = np.full(self.rows, UNLISTED)
        place = np.broadcast_to(np.arange(self._row.shape[1]), self._row.shape)
        np.minimum.at(rank, self._row.ravel(), place.ravel())
        order = np.lexsort((-np.concatenate(self._closest), rank, group))
        start = np.searchsorted(group[order], np.arange(len(wanted)))
        taken = np.arange(len(order)) - start[group[order]] < wanted[group[order]]
        return np.sort(order[taken])


def drawn(candidates: int, seed: int) -> Ints:
    """(n,) rows of a sample of so many candidates, ascending."""
    return np.sort(np.random.default_rng(seed).choice(candidates, sampled(candidates), replace=False))


@dataclass(frozen=True)
class Recall:
    """Of the rows of a sample that are nearest to targets by features: what share the funnel let through."""

    share: float
    interval: tuple[float, float]
    """95 %, Clopper and Pearson's."""
    best: int
    """Rows that were looked for."""


def recall(cosines: Floats, near: Bools, share: float) -> Recall:
    """Of the ``share`` / SPARE nearest rows of a sample, at least one: no more is selected of a pool.

    cosines (n, M) of its rows, one at least, to the targets by their features; near (n,) whether the funnel
    let it through.
    """
    best = in_turn(cosines, max(1, round(len(cosines) * share / SPARE)))
    hits, n = int(near[best].sum()), len(best)
    tail = (1 - LEVEL) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return Recall(hits / n, (low, high), n)


def in_turn(cosines: Floats, count: int) -> Ints:
    """cosines (n, M) -> (count,) rows as targets, each in its turn, would take what is nearest to them.

    A row stands where the target takes it that ranks it highest; ties: the larger cosine.
    """
    order = np.argsort(-cosines, axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(cosines))[:, None], axis=0)
    return np.lexsort((-cosines.max(axis=1), rank.min(axis=1)))[:count]
