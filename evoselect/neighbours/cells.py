"""Rows by cells, so that a search looks into some of them: spherical k-means by FAISS, and its recall (ours).

The twin that looks into every cell is exact. How many cells suffice is measured, not assumed.
"""

import math
from dataclasses import dataclass

import faiss
import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix
from evoselect.neighbours.matrix import tiles

ITERATIONS = 10
PER_CELL = 64  # rows that the place of a cell is fitted to
SAMPLE_BYTES = 256 * 2**20  # of the float32 rows that cells are fitted to
WANTED = 0.95  # share of the nearest that a search is to find


def count_for(rows: int) -> int:
    """Cells for so many rows: as many as rows in a cell."""
    return max(1, math.isqrt(rows))


def sample_for(rows: int, width: int) -> int:
    """How many rows, evenly spaced, cells are fitted to."""
    return min(rows, PER_CELL * count_for(rows), max(count_for(rows), SAMPLE_BYTES // (4 * width)))


def fitted(sample: Tensor, count: int) -> Tensor:
    """The places (count, d) of norm 1 of cells, fitted to a sample (s, d) of unit rows, s >= count."""
    rows = np.ascontiguousarray(sample.float().numpy())
    found = faiss.Kmeans(
        rows.shape[1], count, niter=ITERATIONS, spherical=True, seed=0, min_points_per_centroid=1
    )
    found.train(rows)
    return torch.nn.functional.normalize(torch.from_numpy(np.array(found.centroids)), dim=1)


def cell_of(rows: Matrix, centroids: Tensor) -> Ints:
    """(n,) of each of rows (n, d) the cell whose place is nearest; centroids (c, d), the first of equals."""
    parts = [product.argmax(dim=1) for _, product in tiles(rows, centroids.T)]
    return torch.cat(parts).numpy() if parts else np.empty(0, np.int64)


@dataclass(frozen=True)
class Probes:
    """Into how many cells a search looks, and the share of the nearest that it then finds."""

    count: int
    recall: float


class Watch:
    """The nearest rows of some queries and their cells, found while all rows pass by."""

    def __init__(self, queries: Tensor, own: Ints, count: int) -> None:
        """queries (q, d) unit rows; own (q,) the number that each has among the rows: it counts not."""
        self._queries, self._own, self._count = queries.float(), own, count
        self._best = np.full((len(own), 0), -np.inf)
        self._cells = np.empty((len(own), 0), np.int64)

    def look(self, rows: Matrix, numbers: Ints, cells: Ints) -> None:
        """rows (n, d) with their numbers (n,) and cells (n,)."""
        for block, product in tiles(rows, self._queries.T):
            value = product.T.double().numpy()
            value[self._own[:, None] == numbers[block][None]] = -np.inf
            own = np.broadcast_to(cells[block], value.shape)
            best = np.concatenate([self._best, value], axis=1)
            held = np.concatenate([self._cells, own], axis=1)
            place = np.argsort(-best, axis=1, kind="stable")[:, : self._count]
            self._best = np.take_along_axis(best, place, axis=1)
            self._cells = np.take_along_axis(held, place, axis=1)

    def probes(self, centroids: Tensor) -> Probes:
        """The fewest cells, of those with centroids (c, d), that hold WANTED of the nearest."""
        near = (self._queries @ centroids.T).numpy()
        order = np.argsort(-near, axis=1, kind="stable")
        rank = np.argsort(order, axis=1)
        ranks = np.take_along_axis(rank, self._cells, axis=1)[self._best > -np.inf]
        found = self._shares(ranks, len(centroids))
        count = int(np.argmax(found >= WANTED)) + 1
        return Probes(count, float(found[count - 1]))

    @staticmethod
    def _shares(ranks: Ints, cells: int) -> Floats:
        """(cells,) the share of pairs that a search into 1, 2, ... cells finds; 1 where there is no pair."""
        if not len(ranks):
            return np.ones(cells)
        return np.cumsum(np.bincount(ranks, minlength=cells)) / len(ranks)
