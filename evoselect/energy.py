"""Redundancy energies: what having similar candidates together costs. E(w) = (1/2) w'K w, gradient K w.

Energy
+-- LocalEnergy     K sparse over near neighbours, in twins: gradient k K w (ours, method capacity)
+-- LinearEnergy    K = X X' (the paper's inner-product energy; that it is uncentred is inferred)
+-- SquaredEnergy   K = (X X')^2 entrywise, the order-2 Vendi energy
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.shortlist import Floats


class Energy(Protocol):
    """A symmetric K over n candidates, seen through its product with the weights."""

    def gradient(self, weights: Floats) -> Floats:
        """(n,) K w for weights (n,) of sum 1."""
        ...


@dataclass(frozen=True)
class LocalEnergy:
    """Similar items among k: gradient_i is how many twins of i the k items of ``weights`` hold."""

    similarity: scipy.sparse.csr_array  # (n, n), symmetric, zero diagonal
    k: int

    def gradient(self, weights: Floats) -> Floats:
        """k (K w)_i."""
        return np.asarray(self.k * (self.similarity @ weights))


@dataclass(frozen=True)
class LinearEnergy:
    """Inner products: gradient_i is the inner product of x_i with the weighted mean."""

    features: Tensor  # (n, d) float32

    def gradient(self, weights: Floats) -> Floats:
        """X (X'w)."""
        w = torch.from_numpy(weights).to(self.features)
        return np.asarray((self.features @ (w @ self.features)).double().cpu().numpy())


@dataclass(frozen=True)
class SquaredEnergy:
    """Squared inner products: gradient_i = x_i' (X' diag(w) X) x_i."""

    features: Tensor  # (n, d) float32

    def gradient(self, weights: Floats) -> Floats:
        """(X X')^2 w without the (n, n) matrix."""
        w = torch.from_numpy(weights).to(self.features)
        second = self.features.T @ (self.features * w[:, None])
        return np.asarray(((self.features @ second) * self.features).sum(dim=1).double().cpu().numpy())
