"""A cheap look at a whole pool: which candidates are near a target by the words of their texts.

A text is its uni- and bigrams, hashed as for DSIR, each weighed by (1 + log count) x log(texts / texts with
it), as usual in retrieval; near is a large cosine. Candidates come a group at a time, so that a pool need not
be held. Whether the nearest by words are those that features would have named is measured on a drawn sample
(ours).
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
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Weights:
    """How much each bucket of words says, by the texts of a pool."""

    of_bucket: Floats  # (BUCKETS,)

    @classmethod
    def fitted(cls, texts: Iterable[str]) -> "Weights":
        """log((1 + texts) / (1 + texts with the bucket)); 0 of what every text has."""
        holding, count = np.zeros(BUCKETS), 0
        for text in texts:
            holding[np.unique(hashed_ngrams(text))] += 1
            count += 1
        return cls(np.log((1 + count) / (1 + holding)))

    def rows(self, texts: Sequence[str]) -> sparse.csr_array:
        """(n, BUCKETS) rows of norm 1; of zeros where a text has no word that says anything."""
        found = [np.unique(hashed_ngrams(text), return_counts=True) for text in texts]
        ends = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
        buckets = np.concatenate([np.empty(0, dtype=np.int64), *(own for own, _ in found)])
        counts = np.concatenate([np.empty(0, dtype=np.int64), *(own for _, own in found)])
        values = (1 + np.log(counts)) * self.of_bucket[buckets]
        owner = np.repeat(np.arange(len(texts)), np.diff(ends))
        norms = np.sqrt(np.bincount(owner, values**2, minlength=len(texts)))
        values /= np.where(norms > 0, norms, 1.0)[owner]
        return sparse.csr_array((values, buckets, ends), shape=(len(texts), BUCKETS))


class Near:
    """The candidates nearest to each of M targets, while groups of candidates come in their order."""

    def __init__(self, targets: sparse.csr_array, each: int) -> None:
        """``targets`` (M, BUCKETS); ``each``: so many candidates are kept of every target."""
        self._targets, self._each = targets.T.tocsr(), each
        m = targets.shape[0]
        self._cosine = np.empty((m, 0), dtype=np.float32)
        self._row = np.empty((m, 0), dtype=np.int64)
        self._closest: list[npt.NDArray[np.float32]] = []
        self._rows = 0

    def add(self, rows: sparse.csr_array) -> None:
        """The next candidates (n, BUCKETS)."""
        cosine = (rows @ self._targets).toarray().astype(np.float32).T  # (M, n)
        self._closest.append(cosine.max(axis=0))
        own = np.broadcast_to(np.arange(self._rows, self._rows + cosine.shape[1]), cosine.shape)
        self._rows += cosine.shape[1]
        both = np.concatenate([self._cosine, cosine], axis=1), np.concatenate([self._row, own], axis=1)
        order = np.argsort(-both[0], axis=1, kind="stable")[:, : self._each]  # ties: the earlier row
        self._cosine, self._row = (np.take_along_axis(side, order, axis=1) for side in both)

    def of_targets(self) -> Ints:
        """Rows, ascending, that are among the ``each`` nearest of any target."""
        return np.unique(self._row[self._cosine > 0])

    @property
    def closest(self) -> npt.NDArray[np.float32]:
        """(N,) cosine of every candidate to the target that is nearest to it."""
        return np.concatenate([np.empty(0, dtype=np.float32), *self._closest])


def filled(first: Ints, closest: npt.NDArray[np.float32], group: Ints, wanted: Ints) -> Ints:
    """Rows that go on, ascending: ``first``, and of each group the closest until it has what is wanted of it.

    closest (N,), group (N,) from 0, wanted (groups,) rows.
    """
    on = np.zeros(len(closest), dtype=bool)
    on[first] = True
    missing = wanted - np.bincount(group[on], minlength=len(wanted))
    order = np.lexsort((np.arange(len(closest)), -closest, group))
    order = order[~on[order]]
    start = np.searchsorted(group[order], np.arange(len(wanted)))
    place = np.arange(len(order)) - start[group[order]]
    on[order[place < missing[group[order]]]] = True
    return np.flatnonzero(on)


def drawn(candidates: int, seed: int) -> Ints:
    """Rows of a sample of so many candidates, ascending."""
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

    cosines (n, M) of its rows to the targets by their features; near (n,) whether the funnel let it through.
    """
    best = nearest_rows(cosines, max(1, round(len(cosines) * share / SPARE)))
    hits, n = int(near[best].sum()), len(best)
    tail = (1 - LEVEL) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return Recall(hits / n, (low, high), n)


def nearest_rows(cosines: Floats, count: int) -> Ints:
    """(count,) rows in the order in which targets, each in its turn, would take what is nearest to them.

    cosines (n, M). A row stands where the target takes it that ranks it highest; ties: the larger cosine.
    """
    order = np.argsort(-cosines, axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(cosines))[:, None], axis=0)
    return np.lexsort((-cosines.max(axis=1), rank.min(axis=1)))[:count]
