"""Every candidate's nearest target and every target's best candidate, to the same bits in any cut (ours)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.arrays import Floats
from evoselect.features import Matrix
from evoselect.neighbours.matrix import tiles


@dataclass(frozen=True)
class Nearest:
    """Every candidate's nearest target, and every target's best candidate."""

    target: NDArray[np.int32]  # (N,)
    cosine: NDArray[np.float32]  # (N,)
    best: Floats  # (M,) cosine


def nearest_both_ways(candidates: Matrix, targets: Tensor) -> Nearest:
    """One pass over candidates (N, d) and targets (M, d), unit rows; ties go to the first."""
    near = Running.of(candidates, targets.shape[0])
    for rows, product in tiles(candidates, targets.T):
        near.add(rows, product)
    return near.found()


@dataclass
class Running:
    """What a pass over the candidates has found so far."""

    cosine: Tensor  # (N,)
    target: Tensor  # (N,)
    best: Tensor  # (M,)

    @classmethod
    def of(cls, candidates: Matrix, m: int) -> "Running":
        """Nothing yet, of candidates (N, d) and ``m`` targets."""
        n, device = candidates.shape[0], candidates.device
        nearest = torch.empty(n, dtype=torch.int32, device=device)
        return cls(torch.empty(n, device=device), nearest, torch.full((m,), -torch.inf, device=device))

    def add(self, rows: slice, product: Tensor) -> None:
        """Take in the cosines product (r, M) of some rows."""
        self.cosine[rows], self.target[rows] = product.max(dim=1)
        self.best = torch.maximum(self.best, product.amax(dim=0))

    def found(self) -> Nearest:
        """After all rows."""
        cosine = self.cosine.clamp(-1, 1).cpu().numpy()
        return Nearest(self.target.cpu().numpy(), cosine, self.best.double().cpu().numpy())


def merged(parts: Sequence[Nearest]) -> Nearest:
    """Of candidates in parts that follow each other, for the same targets."""
    return Nearest(
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.cosine for part in parts]),
        np.max([part.best for part in parts], axis=0),
    )
