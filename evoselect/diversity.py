"""Redundancy among candidates: a sparse similarity graph K over pairs that share a target's shortlist (ours).

K_ij = exp(-|x_i - x_j|^2 / (2 s^2)), zero diagonal: 1 for a twin. Near-duplicates share their targets'
shortlists, so the pairs are found from M products of (L, d) blocks instead of a search over all candidates.
"""

import itertools

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.features import gather
from evoselect.neighbours import nearest
from evoselect.shortlist import Floats, Ints

CROWD = 10  # neighbour whose distance sets the bandwidth: clusters of up to 10 copies do not shrink it
NARROW = 0.3  # bandwidth over that distance: twins count, mere neighbours do not
FLOOR = 0.05  # similarities below it are left out of the graph
MIN_BANDWIDTH = 1e-3  # keeps a pool of identical rows finite
SAMPLE_TARGETS = 32  # targets around which the bandwidth is measured
SAMPLE_ROWS = 64  # candidates around each of them


def bandwidth(candidates: Tensor, targets: Tensor) -> float:
    """s: NARROW times the median distance of a candidate to its CROWD-th neighbour around the same target."""
    step = -(-targets.shape[0] // SAMPLE_TARGETS)
    _, index = nearest(candidates, targets[::step], min(candidates.shape[0], SAMPLE_ROWS))
    rows = gather(candidates, index.ravel()).reshape(*index.shape, -1)
    gram = rows @ rows.transpose(1, 2)
    near = gram.topk(min(CROWD + 1, gram.shape[2]), dim=2).values[..., -1]  # the first is the row itself
    distance = (2.0 - 2.0 * near).clamp_min(0.0).sqrt()
    return max(MIN_BANDWIDTH, NARROW * float(distance.median()))


def similarity_graph(features: Tensor, lists: scipy.sparse.csr_array, s: float) -> scipy.sparse.csr_array:
    """Symmetric (n, n) K over the rows ``features`` (n, d), entries >= FLOOR only.

    Only pairs that share a row of ``lists`` (M, n) are looked at.
    """
    n = features.shape[0]
    least = 1.0 + s * s * float(np.log(FLOOR))  # cosine at which K falls to FLOOR
    keys, values = [], []
    bounds = lists.indptr
    for start, stop in itertools.pairwise(bounds):
        members = torch.from_numpy(lists.indices[start:stop].astype(np.int64))
        rows = gather(features, members)
        gram = rows @ rows.T
        first, second = torch.nonzero(torch.triu(gram >= least, diagonal=1), as_tuple=True)
        cosine = gram[first, second].cpu()
        keys.append((members[first.cpu()] * n + members[second.cpu()]).numpy())
        values.append(torch.exp((cosine - 1.0).clamp_max(0.0) / (s * s)).double().numpy())
    key, place = np.unique(np.concatenate(keys), return_index=True)
    value = np.concatenate(values)[place]
    upper = scipy.sparse.coo_array((value, (key // n, key % n)), shape=(n, n))
    return scipy.sparse.csr_array(upper + upper.T)


def similarity_dense(features: Tensor, s: float) -> Floats:
    """The brute-force twin: all pairs of ``features`` (n, d) -> (n, n) with zero diagonal, entries >= FLOOR
    only.
    """
    rows = features.float()
    kernel = torch.exp((rows @ rows.T - 1.0).clamp_max(0.0) / (s * s)).double().cpu().numpy()
    kernel[kernel < FLOOR] = 0.0
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(kernel)


def mean_redundancy(features: Tensor, s: float) -> float:
    """k w' K w of the uniform measure on the rows (k, d): how many twins an item has, on average."""
    return float(similarity_dense(features, s).sum() / features.shape[0])


def nearest_twin(graph: scipy.sparse.csr_array) -> Ints:
    """(n,) the most similar other row of the graph, -1 where there is none."""
    best = np.asarray(graph.argmax(axis=1)).ravel()
    return np.where(np.diff(graph.indptr) > 0, best, -1)
