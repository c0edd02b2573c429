"""How well the targets are served: by all rows, by the first n of an order, and one by one."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, gather, row_blocks

CURVE_POINTS = 60
CHANCE = 0.95  # quantile of the cosines between a target and any candidate


def steps(k: int) -> list[int]:
    """Ascending sizes from 1 to k at which the curve is read: close together at first."""
    return sorted({round(size) for size in np.geomspace(1, k, CURVE_POINTS)})


def curve(
    pool: Matrix, order: Ints, targets: Tensor, *, masses: Floats, sizes: Sequence[int]
) -> tuple[list[float], Floats]:
    """Mean over the targets of the largest cosine among the first n of ``order``, for every n of ``sizes``.

    pool (N, d) and targets (M, d) unit rows, order (k,) rows of the pool, masses (M,) sum 1, sizes ascending
    -> the means, and (M,) each target's cosine at the last size.
    """
    goal = targets.to(pool.device).float()
    best = torch.full((goal.shape[0],), -torch.inf, device=goal.device)
    means = []
    for start, stop in pairwise([0, *sizes]):
        rows = gather(pool, torch.from_numpy(order[start:stop]))
        for block in row_blocks(rows):
            best = torch.maximum(best, (goal @ rows[block].float().T).amax(dim=1))
        means.append(float(masses @ best.double().cpu().numpy()))
    return means, np.asarray(best.double().cpu().numpy())


def coverage(rows: Tensor, targets: Tensor, masses: Floats) -> tuple[float, Floats]:
    """Mean over the targets of the largest cosine to a row.

    rows (k, d), targets (M, d), masses (M,) sum 1 -> the mean, and (M,) that cosine for each.
    """
    means, best = curve(rows, np.arange(len(rows)), targets, masses=masses, sizes=[len(rows)])
    return means[0], best


def chance_level(sample: Tensor, targets: Tensor) -> float:
    """The cosine that a target reaches with 5 % of the candidates: sample (n, d) of them, targets (M, d)."""
    cosines = (sample.float() @ targets.to(sample.device).float().T).cpu().numpy()
    return float(np.quantile(cosines, CHANCE))
