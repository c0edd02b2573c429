"""Edges between candidates and targets that cost less than the target pays: one exact pass over the data
(ours).

Where the processor multiplies bfloat16 in hardware, a product in it finds the pairs that can qualify: its
error is bounded, so none is missed, and the pairs it finds are priced again in float32.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import gather, row_blocks
from evoselect.hardware import has_bfloat16

WORD = 8  # bytes: a mask is searched eight entries at a time, most words of it are zero
# Two roundings of the factors to 8 bits and one of the result, on unit rows and thresholds up to 2, with
# room for the float32 summation: |x.y - bf16(x).bf16(y)| <= 2 * 2^-9 + 2^-18, and 2 * 2^-9 for the rest.
BFLOAT16_ERROR = 0.0085
LARGE_PRODUCT = 2**22  # entries below which the product is not what takes time


@dataclass(frozen=True)
class Priced:
    """Edges sorted by row, then target. An absent edge (i, j) costs at least price_j, where i is in ``rows``
    at least min(price_j, price_j - best_i + window).
    """

    rows: Ints  # (n,) candidates with an edge, ascending
    features: Tensor  # (n, d) float32: their rows
    place: Ints  # (E,) position in ``rows``
    target: Ints  # (E,)
    cost: Floats  # (E,) 1 - cosine
    best: Floats  # (n,) the most by which an edge of the row undercuts its target's price, >= 0


def edges_below(candidates: Tensor, targets: Tensor, price: Floats, window: float) -> Priced:
    """All edges with C_ij <= price_j that undercut it by no less than their row's best minus ``window``.

    candidates (N, d) and targets (M, d) unit rows, price (M,) and ``window`` in cost, 1 - cosine.
    """
    row, target = _qualifying(candidates, targets, price)
    first = np.flatnonzero(np.diff(row, prepend=-1))  # edges are sorted by row
    rows = row[first]
    place = np.repeat(np.arange(len(rows)), np.diff(first, append=len(row)))
    features = gather(candidates, torch.from_numpy(rows))
    cost = 1.0 - edge_cosines(features, targets, place, target)
    under = price[target] - cost
    best = np.maximum.reduceat(under, first) if len(first) else np.empty(0)
    kept = (under >= 0.0) & (under >= best[place] - window)
    real = best >= 0.0
    if not real.all():  # rows that only the coarse product let through
        place = (np.cumsum(real) - 1)[place]
        features = features[torch.from_numpy(np.flatnonzero(real)).to(features.device)]
        rows, best = rows[real], best[real]
    return Priced(rows, features, place[kept], target[kept], cost[kept], best)


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


def _qualifying(candidates: Tensor, targets: Tensor, price: Floats) -> tuple[Ints, Ints]:
    """Rows and targets, sorted, of all pairs that cost at most the price, and of some that cost a little
    more."""
    device = candidates.device
    coarse = candidates.shape[0] * targets.shape[0] > LARGE_PRODUCT and has_bfloat16(device)
    dtype = torch.bfloat16 if coarse else torch.float32
    least = torch.from_numpy(1.0 - price).float() - (BFLOAT16_ERROR if coarse else 0.0)
    pad = -len(least) % WORD
    least = torch.cat([least, torch.full((pad,), 4.0)]).to(device, dtype)
    queries = torch.cat([targets.to(device).float(), torch.zeros(pad, targets.shape[1], device=device)])
    turned = queries.to(dtype).T
    row, target = [], []
    for block in row_blocks(candidates):
        reached = candidates[block].to(dtype) @ turned >= least
        place = true_places(reached)
        row.append(place.div(len(least), rounding_mode="floor").cpu().numpy() + block.start)
        target.append(place.remainder(len(least)).cpu().numpy())
    return np.concatenate(row), np.concatenate(target)


def true_places(mask: Tensor) -> Tensor:
    """(t,) int64 flat places of the true entries of a contiguous mask (..., c) bool, WORD dividing c."""
    if mask.device.type != "cpu":
        return mask.ravel().nonzero().ravel()
    words = mask.ravel().view(torch.int64).nonzero().ravel()
    bits = mask.ravel().view(-1, WORD)[words].nonzero()
    return words[bits[:, 0]] * WORD + bits[:, 1]
