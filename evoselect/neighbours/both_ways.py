"""Every candidate's nearest target and every target's best candidate, to the same bits in any cut (ours)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix
from evoselect.neighbours.matrix import tiles


@dataclass(frozen=True)
class Nearest:
    """Every candidate's nearest target, and every target's best candidate."""

    target: Ints  # (N,)
    cosine: Floats  # (N,)
    best: Floats  # (M,) cosine


def nearest_both_ways(candidates: Matrix, targets: Tensor) -> Nearest:
    """One pass over candidates (N, d) and targets (M, d), unit rows; ties go to the first."""
    n = candidates.shape[0]
    cosine = torch.empty(n, device=candidates.device)
    target = torch.empty(n, dtype=torch.int64, device=candidates.device)
    best = torch.full((targets.shape[0],), -torch.inf, device=candidates.device)
    for rows, product in tiles(candidates, targets.T):
        cosine[rows], target[rows] = product.max(dim=1)
        best = torch.maximum(best, product.amax(dim=0))
    return Nearest(
        target.cpu().numpy(), cosine.clamp(-1, 1).double().cpu().numpy(), best.double().cpu().numpy()
    )


def merged(parts: Sequence[Nearest]) -> Nearest:
    """Of candidates in parts that follow each other, for the same targets."""
    return Nearest(
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.cosine for part in parts]),
        np.max([part.best for part in parts], axis=0),
    )
