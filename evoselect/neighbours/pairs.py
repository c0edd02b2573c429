"""Cosines of single pairs: the numbers that decide, where blocks of products only find the pairs.

Each is a sum of its own, so its bits depend on the two rows alone: not on the block, the shard or the search
that found the pair.
"""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, gather

CHUNK_BYTES = 64 * 2**20  # of the rows that are read at once


def rounding(width: int) -> float:
    """By how much two float32 sums of the same ``width`` products of unit rows can differ (Higham 2002)."""
    return 2.0 * (width + 4) * 2.0**-24


def edge_cosines(features: Tensor, targets: Tensor, place: Ints, target: Ints) -> Floats:
    """(E,) inner products of features (n, d) float32 with targets (M, d) at E pairs.

    place (E,) rows of the features, ascending; target (E,) rows of the targets.
    """
    queries = targets.to(features.device).float()
    bounds = np.zeros(features.shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(place, minlength=features.shape[0]), out=bounds[1:])
    pattern = torch.sparse_csr_tensor(
        torch.from_numpy(bounds).to(features.device),
        torch.from_numpy(target).to(features.device),
        torch.zeros(len(target), device=features.device),
        size=(features.shape[0], queries.shape[0]),
        check_invariants=False,
    )
    values = torch.sparse.sampled_addmm(pattern, features, queries.T, beta=0.0).values()
    return np.asarray(values.double().cpu().numpy())


def pair_cosines(rows: Matrix, targets: Tensor, row: Ints, target: Ints) -> Floats:
    """The same for rows (n, d) of any dtype, of which only those of a pair are read, a chunk at a time.

    row (E,), ascending; target (E,) of targets (M, d).
    """
    if not len(row):
        return np.empty(0)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    named, place = row[first], np.repeat(np.arange(len(first)), np.diff(first, append=len(row)))
    step = max(1, CHUNK_BYTES // (4 * rows.shape[1]))
    bounds = np.append(first, len(row))
    parts = []
    for start in range(0, len(named), step):
        some = named[start : start + step]
        own = slice(bounds[start], bounds[start + len(some)])
        part = gather(rows, torch.from_numpy(some))
        parts.append(edge_cosines(part, targets, place[own] - start, target[own]))
    return np.concatenate(parts)
