"""The shortlist: for each target its nearest candidates, as a sparse cost matrix over M targets and n
candidates.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.features import gather
from evoselect.neighbours import nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_WIDTH = 64  # candidates per target to start with
WIDENING = 4  # times as wide, for the targets that want more
WIDTH_PER_SHARE = 8  # and this many times the k / M that a target takes on average


@dataclass(frozen=True)
class Shortlist:
    """Edges between targets and the candidates near them.

    candidates: (n,) row numbers in the full matrix, ascending.
    cost: (M, n) CSR of 1 - cosine; an absent entry of row j costs at least ``radius[j]``.
    radius: (M,) largest listed cost of each target, inf where every candidate is listed.
    """

    candidates: Ints
    cost: scipy.sparse.csr_array
    radius: Floats

    @property
    def complete(self) -> bool:
        """Whether every candidate is listed for every target: the dense problem."""
        return bool(np.isinf(self.radius).all())

    @cached_property
    def target_of_edge(self) -> Ints:
        """(edges,) row of each stored entry."""
        return np.repeat(np.arange(self.cost.shape[0]), np.diff(self.cost.indptr))


def first_width(n_candidates: int, n_targets: int, k: int) -> int:
    """L = max(64, 8 k / M), at most N."""
    return min(n_candidates, max(MIN_WIDTH, -(-WIDTH_PER_SHARE * k // n_targets)))


def build(candidates: Tensor, targets: Tensor, width: int) -> Shortlist:
    """List the ``width`` nearest candidates of every target."""
    cost, index = _search(candidates, targets, width)
    return from_edges(
        cost.ravel(),
        index.ravel(),
        np.full(len(targets), width),
        np.full(len(targets), np.inf) if width == candidates.shape[0] else cost.max(axis=1),
    )


def widen(shortlist: Shortlist, candidates: Tensor, targets: Tensor, rows: Ints) -> Shortlist:
    """The same shortlist with four times as many candidates for the targets in ``rows``."""
    counts = np.diff(shortlist.cost.indptr)
    width = min(candidates.shape[0], WIDENING * int(counts[rows].max()))
    wider_cost, wider_index = _search(candidates, targets[rows], width)
    keep = ~np.isin(shortlist.target_of_edge, rows)
    target = np.concatenate([shortlist.target_of_edge[keep], np.repeat(rows, width)])
    index = np.concatenate([shortlist.candidates[shortlist.cost.indices[keep]], wider_index.ravel()])
    order = np.argsort(target, kind="stable")
    cost = np.concatenate([shortlist.cost.data[keep], wider_cost.ravel()])
    counts[rows] = width
    radius = shortlist.radius.copy()
    radius[rows] = np.inf if width == candidates.shape[0] else wider_cost.max(axis=1)
    return from_edges(cost[order], index[order], counts, radius)


def with_near_targets(shortlist: Shortlist, candidates: Tensor, targets: Tensor, count: int) -> Shortlist:
    """The same shortlist with the ``count`` nearest targets of every listed candidate as further edges."""
    count = min(count, targets.shape[0])
    cost, target = _search(targets, gather(candidates, torch.from_numpy(shortlist.candidates)), count)
    n = len(shortlist.candidates)
    key = np.concatenate(
        [shortlist.target_of_edge * n + shortlist.cost.indices, (target * n + np.arange(n)[:, None]).ravel()]
    )
    key, place = np.unique(key, return_index=True)
    value = np.concatenate([shortlist.cost.data, cost.ravel()])[place]
    return replace(
        shortlist, cost=scipy.sparse.csr_array((value, (key // n, key % n)), shape=shortlist.cost.shape)
    )


def from_edges(cost: Floats, index: Ints, counts: Ints, radius: Floats) -> Shortlist:
    """Shortlist of edges sorted by target: costs, candidate rows, and how many edges each target has."""
    members, column = np.unique(index, return_inverse=True)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    matrix = scipy.sparse.csr_array((cost, column, bounds), shape=(len(counts), len(members)))
    matrix.sort_indices()
    return Shortlist(members, matrix, radius)


def _search(candidates: Tensor, targets: Tensor, width: int) -> tuple[Floats, Ints]:
    similarity, index = nearest(candidates, targets, width)
    return 1.0 - similarity.numpy().astype(np.float64), index.numpy()
