"""The nearest candidates of every target, to the last bit the same however a pool is cut (ours).

A search finds a few more than are asked for; the pairs' own cosines order them, ties by row number. Where
what the search left out could be among them by its rounding, it is looked up again by a threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix
from evoselect.neighbours.matrix import tiles
from evoselect.neighbours.pairs import pair_cosines, rounding
from evoselect.neighbours.search import search

SPARE, SPARE_SHARE = 8, 1 / 16  # rows beyond those asked for that a search finds
REACHED = 2**26  # pairs that one pass over the pool may find


@dataclass(frozen=True)
class Listed:
    """Candidates near to m targets, as far as they are known."""

    target: Ints  # (E,) of each pair
    row: Ints  # (E,)
    cosine: Floats  # (E,)
    rest: Floats  # (m,) no pair that is not here has a larger cosine; -inf where none can be wanted

    @classmethod
    def of(cls, cosine: Floats, rows: Ints) -> "Listed":
        """All that are wanted: cosine (m, count) and rows (m, count)."""
        m, count = rows.shape
        return cls(np.repeat(np.arange(m), count), rows.ravel(), cosine.ravel(), np.full(m, -np.inf))

    @classmethod
    def unknown(cls, m: int) -> "Listed":
        """Nothing of so many targets."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, np.empty(0), np.full(m, np.inf))

    def enough(self, count: int) -> "Listed":
        """The same; of targets with ``count`` pairs or more nothing else is wanted."""
        held = np.bincount(self.target, minlength=len(self.rest))
        return replace(self, rest=np.where(held >= count, -np.inf, self.rest))


def nearest(candidates: Matrix, targets: Tensor, count: int) -> tuple[Floats, Ints]:
    """The ``count`` candidates of largest inner product for every target, best first, ties by row.

    candidates (n, d), targets (M, d), unit rows -> cosines (M, count), rows (M, count).
    """
    n = candidates.shape[0]
    wide = min(n, count + max(SPARE, int(SPARE_SHARE * count)))
    similarity, index = search(candidates, targets, wide)
    cosine, rows = _ordered(candidates, targets, index.numpy())
    found = cosine[:, :count].copy(), rows[:, :count].copy()
    if wide == n:
        return found
    least = similarity[:, -1].double().numpy() + rounding(candidates.shape[1])
    unsure = np.flatnonzero(found[0][:, -1] <= least)
    step = max(1, REACHED // n)
    for start in range(0, len(unsure), step):
        some = unsure[start : start + step]
        goal = targets[torch.from_numpy(some).to(targets.device)]
        found[0][some], found[1][some] = _reaching(candidates, goal, found[0][some, -1], count)
    return found


def _ordered(candidates: Matrix, targets: Tensor, index: Ints) -> tuple[Floats, Ints]:
    """index (M, w) rows of the candidates -> their cosines and they, best first, ties by row."""
    m, width = index.shape
    target = np.repeat(np.arange(m), width)
    by_row = np.lexsort((target, index.ravel()))
    cosine = np.empty(index.size)
    cosine[by_row] = pair_cosines(candidates, targets, index.ravel()[by_row], target[by_row])
    by_target = cosine.reshape(m, width)
    order = np.lexsort((index, -by_target), axis=1)
    return np.take_along_axis(by_target, order, axis=1), np.take_along_axis(index, order, axis=1)


def _reaching(candidates: Matrix, targets: Tensor, least: Floats, count: int) -> tuple[Floats, Ints]:
    """The same from all candidates whose cosine may be ``least`` (M,) or more, at least ``count`` of each."""
    bar = torch.from_numpy(least - rounding(candidates.shape[1])).float().to(candidates.device)
    row, target = [], []
    for block, product in tiles(candidates, targets.T):
        place, which = torch.nonzero(product >= bar, as_tuple=True)
        row.append(place.cpu().numpy() + block.start)
        target.append(which.cpu().numpy())
    rows, goal = np.concatenate(row), np.concatenate(target)
    cosine = pair_cosines(candidates, targets, rows, goal)
    return best_of(cosine, rows, goal, m=len(targets), count=count)


def best_of(cosine: Floats, rows: Ints, target: Ints, *, m: int, count: int) -> tuple[Floats, Ints]:
    """Each target's best pairs, ties by row.

    cosine (E,), rows (E,), target (E,) below ``m`` -> cosines and rows (m, count).
    """
    order = np.lexsort((rows, -cosine, target))
    start = np.searchsorted(target[order], np.arange(m))
    kept = order[start[:, None] + np.arange(count)]
    return cosine[kept], rows[kept]


def least_of_best(parts: Sequence[Listed], m: int, count: int) -> Floats:
    """(m,) the ``count``-th largest cosine of each target's pairs in all parts, or -inf."""
    target = np.concatenate([part.target for part in parts])
    cosine = np.concatenate([part.cosine for part in parts])
    order = np.lexsort((-cosine, target))
    start = np.searchsorted(target[order], np.arange(m + 1))
    last = start[:-1] + count - 1
    found = np.full(m, -np.inf)
    enough = last < start[1:]
    found[enough] = cosine[order[last[enough]]]
    return found
