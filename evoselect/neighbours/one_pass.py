"""Pairs below costs and nearest of both sides from one product of candidates and targets (ours).

Edges among the pairs, and the nearest, are what their own passes find, to the last bit: `priced.edges_below`
and `both_ways.nearest_both_ways`.
"""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats
from evoselect.features import Matrix
from evoselect.neighbours.both_ways import Nearest, Running
from evoselect.neighbours.matrix import tiles
from evoselect.neighbours.pairs import rounding
from evoselect.neighbours.priced import WORD, Reached, true_places


def reached_and_nearest(candidates: Matrix, targets: Tensor, most: Floats) -> tuple[Reached, Nearest]:
    """candidates (N, d) and targets (M, d) unit rows -> all pairs that cost at most ``most`` (M,)."""
    m = targets.shape[0]
    near, pad = Running.of(candidates, m), -m % WORD
    least = (torch.from_numpy(1.0 - most).float() - rounding(candidates.shape[1])).to(candidates.device)
    row, target = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for rows, product in tiles(candidates, targets.T):
        near.add(rows, product)
        reached = torch.nn.functional.pad(product >= least, (0, pad))
        place = true_places(reached.contiguous())
        row.append(place.div(m + pad, rounding_mode="floor").cpu().numpy() + rows.start)
        target.append(place.remainder(m + pad).cpu().numpy())
    found = Reached.of(candidates, targets, (np.concatenate(row), np.concatenate(target)))
    return found.within(most), near.found()
