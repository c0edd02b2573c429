"""How much a set repeats itself: the distribution of nearest twins, and the pairs that are nearly equal."""

from dataclasses import dataclass

import numpy as np
import torch

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, gather
from evoselect.neighbours.search import search

NEAR_DUPLICATE = 0.8  # cosine; on conditioned gradients it named near-copies with precision .97, recall .66


@dataclass(frozen=True)
class Pair:
    """Two selected candidates that are nearly the same."""

    first: int  # place in the order, from 0
    second: int  # a later place
    cosine: float


def nearest_twins(pool: Matrix, order: Ints, asked: Ints) -> Floats:
    """Cosine of some rows of ``order`` (k,) to their most similar other row of it.

    pool (N, d) unit rows, asked (a,) places in the order -> (a,); empty where the order has no second row.
    """
    if len(order) < 2:
        return np.empty(0)
    rows = gather(pool, torch.from_numpy(order)).float()
    cosine, place = search(rows, rows[torch.from_numpy(asked).to(rows.device)], 2)
    own = place[:, 0] == torch.from_numpy(asked)
    return np.asarray(torch.where(own, cosine[:, 1], cosine[:, 0]).clamp(-1, 1).double().numpy())


def near_duplicates(pool: Matrix, order: Ints, twin: Ints) -> list[Pair]:
    """Pairs of cosine >= NEAR_DUPLICATE, most alike first.

    pool (N, d) unit rows, order (k,) rows of it, twin (k,) the selected row of the pool that each is most
    similar to, -1 for none.
    """
    has = np.flatnonzero(twin >= 0)
    place = {int(row): number for number, row in enumerate(order)}
    other = np.array([place[int(row)] for row in twin[has]], dtype=np.int64)
    pairs = np.unique(np.sort(np.stack([has, other], axis=1), axis=1), axis=0)
    one, two = (gather(pool, torch.from_numpy(order[side])).float() for side in pairs.T)
    cosine = (one * two).sum(dim=1).clamp(-1, 1).double().cpu().numpy()
    kept = np.flatnonzero(cosine >= NEAR_DUPLICATE)
    best = kept[np.argsort(-cosine[kept], kind="stable")]
    return [Pair(int(pairs[at, 0]), int(pairs[at, 1]), float(cosine[at])) for at in best]
