"""Edges between candidates and targets that cost less than the target pays (ours).

One exact pass over the data.

Products of blocks find the pairs that can qualify, in bfloat16 where the processor multiplies that in
hardware: their error is bounded, so none is missed, and every pair found is priced again by itself.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, row_blocks
from evoselect.hardware import multiplies_faster_coarsely
from evoselect.neighbours.pairs import pair_cosines, rounding

WORD = 8  # bytes: a mask is searched eight entries at a time, most words of it are zero
# Two roundings of the factors to 8 bits and one of the result, on unit rows and thresholds up to 2, with
# room for the float32 summation: |x.y - bf16(x).bf16(y)| <= 2 * 2^-9 + 2^-18, and 2 * 2^-9 for the rest.
BFLOAT16_ERROR = 0.0085
BLOCK_BYTES = 8 * 2**20  # float32 of the rows of one product, which then stays in the cache
LARGE_PRODUCT = 2**22  # entries below which the product is not what takes time


@dataclass(frozen=True)
class Reached:
    """Pairs of rows and targets whose cosines were worked out, sorted by row, then target."""

    row: Ints  # (E,)
    target: Ints  # (E,)
    cosine: Floats  # (E,)

    @classmethod
    def of(cls, candidates: Matrix, targets: Tensor, pairs: tuple[Ints, Ints]) -> "Reached":
        """``pairs`` (E,) of rows of candidates (N, d) and targets (M, d), sorted."""
        return cls(*pairs, pair_cosines(candidates, targets, *pairs))

    def within(self, price: Floats) -> "Reached":
        """Those that cost at most ``price`` (M,)."""
        kept = 1.0 - self.cosine <= price[self.target]
        return Reached(self.row[kept], self.target[kept], self.cosine[kept])


@dataclass(frozen=True)
class Priced:
    """Edges sorted by row, then target.

    An absent edge (i, j) costs at least price_j; where i is in ``rows``, at least
    min(price_j, price_j - best_i + window).
    """

    rows: Ints  # (n,) candidates with an edge, ascending
    place: Ints  # (E,) position in ``rows``
    target: Ints  # (E,)
    cost: Floats  # (E,) 1 - cosine
    best: Floats  # (n,) the most by which an edge of the row undercuts its target's price, >= 0


def edges_below(candidates: Matrix, targets: Tensor, price: Floats, window: float) -> Priced:
    """All edges with C_ij <= price_j that undercut it by no less than their row's best minus ``window``.

    candidates (N, d) and targets (M, d) unit rows, price (M,) and ``window`` in cost, 1 - cosine.
    """
    found = Reached.of(candidates, targets, _qualifying(candidates, targets, price))
    return edges_of(found, price, window)


def edges_of(pairs: Reached, price: Floats, window: float) -> Priced:
    """Those of the pairs that are edges at ``price`` (M,); they hold all that cost no more."""
    own = pairs.within(price)
    row, target, cost = own.row, own.target, 1.0 - own.cosine
    under = price[target] - cost
    first = np.flatnonzero(np.diff(row, prepend=-1))  # edges are sorted by row
    place = np.repeat(np.arange(len(first)), np.diff(first, append=len(row)))
    best = np.maximum.reduceat(under, first) if len(first) else np.empty(0)
    kept = under >= best[place] - window
    return Priced(row[first], place[kept], target[kept], cost[kept], best)


def _qualifying(candidates: Matrix, targets: Tensor, price: Floats) -> tuple[Ints, Ints]:
    """Rows and targets, sorted, of all pairs that cost at most the price, and some that cost a bit more."""
    device = candidates.device
    coarse = candidates.shape[0] * targets.shape[0] > LARGE_PRODUCT and multiplies_faster_coarsely(device)
    dtype = torch.bfloat16 if coarse else torch.float32
    error = BFLOAT16_ERROR if coarse else 0.0
    least = torch.from_numpy(1.0 - price).float() - error - rounding(candidates.shape[1])
    pad = -len(least) % WORD
    least = torch.cat([least, torch.full((pad,), 4.0)]).to(device, dtype)
    queries = torch.cat([targets.to(device).float(), torch.zeros(pad, targets.shape[1], device=device)])
    turned = queries.to(dtype).T
    row, target = [], []
    for block in row_blocks(candidates, BLOCK_BYTES):
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
