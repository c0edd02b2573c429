"""Redundancy among candidates: a sparse similarity graph K (ours).

K_ij = exp(-|x_i - x_j|^2 / (2 s^2)), zero diagonal: 1 for a twin. Similar rows have the
same nearest targets, so the pairs are found in the targets' cells instead of among all candidates.
"""

import bisect

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.hardware import multiplies_faster_coarsely
from evoselect.neighbours.pairs import edge_cosines, rounding
from evoselect.neighbours.priced import BFLOAT16_ERROR, WORD, true_places
from evoselect.pools.pool import Pool

CROWD = 10  # neighbour whose distance sets the bandwidth: clusters of up to 10 copies do not shrink it
NARROW = 0.3  # bandwidth over that distance: twins count, mere neighbours do not
FLOOR = 0.05  # similarities below it are left out of the graph
MIN_BANDWIDTH = 1e-3  # keeps a pool of identical rows finite
SAMPLE_TARGETS = 32  # targets around which the bandwidth is measured
BATCH_ENTRIES = 2**22  # of the rows or products of one batch of cells,
PADDING = 0.8  # whose sizes differ by at most this factor
BRUTE_ROWS = 4_096  # up to which all pairs are cheap
CELLS = 2  # targets in whose cells a row looks for twins: those it is cheapest for
SAMPLE_ROWS = 64  # candidates around each of them


def bandwidth(pool: Pool, targets: Tensor) -> float:
    """s: NARROW times the median distance of a candidate to its CROWD-th neighbour around the same target.

    pool (N, d), targets (M, d), unit rows.
    """
    _, index = pool.nearest(around(targets), min(pool.shape[0], SAMPLE_ROWS))
    rows = pool.gather(index.ravel()).reshape(*index.shape, -1)
    gram = rows @ rows.transpose(1, 2)
    near = gram.topk(min(CROWD + 1, gram.shape[2]), dim=2).values[..., -1]  # the first is the row itself
    distance = (2.0 - 2.0 * near).clamp_min(0.0).sqrt()
    return max(MIN_BANDWIDTH, NARROW * float(distance.median()))


def around(targets: Tensor) -> Tensor:
    """The targets (m, d) of all (M, d) around which the bandwidth is measured."""
    return targets[:: -(-targets.shape[0] // SAMPLE_TARGETS)]


def similarity_graph(features: Tensor, cost: scipy.sparse.csr_array, s: float) -> scipy.sparse.csr_array:
    """K over the rows ``features`` (n, d) -> (n, n), symmetric, zero diagonal, entries >= FLOOR only.

    Up to BRUTE_ROWS rows all pairs are looked at; above, those that share one of their CELLS nearest targets
    by ``cost`` (M, n): similar rows do.
    """
    n = features.shape[0]
    if n <= BRUTE_ROWS:
        return graph_of_all(features, s)
    return graph_by_cells(features, cells(cost), s)


def graph_of_all(features: Tensor, s: float) -> scipy.sparse.csr_array:
    """K over all pairs of features (n, d) -> (n, n); only of those that can reach FLOOR it is worked out."""
    rows = features.float()
    cosine = rows @ rows.T
    least = 1.0 + s * s * float(np.log(FLOOR)) - rounding(features.shape[1])
    first, second = torch.nonzero(cosine >= least, as_tuple=True)
    similarity = torch.exp((cosine[first, second] - 1.0).clamp_max(0.0) / (s * s)).double().cpu().numpy()
    row, column = first.int().cpu().numpy(), second.int().cpu().numpy()
    kept = (similarity >= FLOOR) & (row != column)
    entries = (similarity[kept], (row[kept], column[kept]))
    return scipy.sparse.csr_array(entries, shape=(len(rows), len(rows)))


def cells(cost: scipy.sparse.csr_array) -> list[Ints]:
    """For every target the rows that have it among their CELLS cheapest entries of ``cost`` (M, n).

    -> M times (c,) rows, ascending.
    """
    columns = cost.tocsc()
    owner = np.repeat(np.arange(cost.shape[1]), np.diff(columns.indptr))
    order = np.lexsort((columns.data, owner))
    rank = np.arange(len(order)) - columns.indptr[:-1][owner]
    near = order[rank < CELLS]
    target, row = columns.indices[near], owner[near]
    by_target = np.argsort(target, kind="stable")
    bounds = np.cumsum(np.bincount(target, minlength=cost.shape[0]))
    return np.split(row[by_target].astype(np.int64), bounds[:-1])


def graph_by_cells(features: Tensor, members: list[Ints], s: float) -> scipy.sparse.csr_array:
    """K over the pairs of rows that share a cell.

    features (n, d), members: (c,) rows of each cell, ascending -> (n, n).
    """
    n = features.shape[0]
    least = 1.0 + s * s * float(np.log(FLOOR)) - rounding(features.shape[1])  # where K falls to FLOOR
    coarse = features
    if multiplies_faster_coarsely(features.device):  # finds the pairs; float32 decides about them
        coarse, least = features.bfloat16(), least - BFLOAT16_ERROR
    keys = [np.empty(0, dtype=np.int64)]
    waiting = sorted((cell for cell in members if len(cell) > 1), key=len)
    while waiting:
        width = len(waiting[-1])
        fitting = max(1, BATCH_ENTRIES // (width * max(width, features.shape[1])))
        similar = bisect.bisect_left(waiting, PADDING * width, key=len)
        start = max(len(waiting) - fitting, similar)
        keys.append(_pairs(coarse, waiting[start:], least))
        del waiting[start:]
    key = np.unique(np.concatenate(keys))
    first, second = key // n, key % n
    similarity = np.exp(np.minimum(edge_cosines(features, features, first, second) - 1.0, 0.0) / (s * s))
    kept = similarity >= FLOOR
    upper = scipy.sparse.coo_array((similarity[kept], (first[kept], second[kept])), shape=(n, n))
    return scipy.sparse.csr_array(upper + upper.T)


def _pairs(features: Tensor, members: list[Ints], least: float) -> Ints:
    """Keys first * n + second of the pairs of cosine >= ``least`` within a cell; cells are ascending rows."""
    n, d = features.shape
    width = max(len(cell) for cell in members)
    width += -width % WORD
    padded = np.full((len(members), width), -1, dtype=np.int64)
    for place, cell in enumerate(members):
        padded[place, : len(cell)] = cell
    index = torch.from_numpy(padded).to(features.device)
    crowd = features[index.clamp_min(0).ravel()].reshape(len(members), width, d)
    found = true_places(torch.bmm(crowd, crowd.transpose(1, 2)) >= least).cpu().numpy()
    cell, first, second = found // (width * width), found // width % width, found % width
    real = (first < second) & (padded[cell, second] >= 0)
    return np.asarray(padded[cell, first][real] * n + padded[cell, second][real])


def similarity_dense(features: Tensor, s: float) -> Floats:
    """The brute-force twin: all pairs of ``features`` (n, d) -> (n, n) with zero diagonal.

    Entries below FLOOR are 0.
    """
    rows = features.float()
    kernel = torch.exp((rows @ rows.T - 1.0).clamp_max(0.0) / (s * s)).double().cpu().numpy()
    kernel[kernel < FLOOR] = 0.0
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(kernel)


def mean_redundancy(features: Tensor, s: float) -> float:
    """k w' K w of the uniform measure on features (k, d): how many twins an item has, on average."""
    return float(graph_of_all(features, s).sum() / features.shape[0])


def nearest_twin(graph: scipy.sparse.csr_array) -> Ints:
    """graph (n, n) -> (n,) the most similar other row, -1 where there is none."""
    best = np.asarray(graph.argmax(axis=1)).ravel()
    return np.where(np.diff(graph.indptr) > 0, best, -1)
