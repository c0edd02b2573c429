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

from evoselect.arrays import Floats


class Energy(Protocol):
    """A symmetric K over n candidates, seen through its product with the weights."""

    def gradient(self, weights: Floats) -> Floats:
        """weights (n,) >= 0 of sum 1 -> (n,) K w."""
        ...

    def penalty(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) what a solver adds to each candidate's cost.

        w . penalty(w) is between E(w) and w'K w.
        """
        ...


@dataclass(frozen=True)
class LocalEnergy:
    """Similar items among k: gradient_i is how many twins of i the k items of ``weights`` hold.

    The penalty of a candidate counts only similar ones that come before it. Its total is the energy all the
    same, and of two twins the later one makes way, where symmetric penalties would make both give up half.
    """

    similarity: scipy.sparse.csr_array  # (n, n), symmetric, zero diagonal
    before: scipy.sparse.csr_array  # its entries (i, j) where j comes before i
    k: float  # how many items there are: about, where tokens are counted

    @classmethod
    def in_order(cls, similarity: scipy.sparse.csr_array, k: float, order: Floats) -> "LocalEnergy":
        """similarity (n, n); candidates come in ascending ``order`` (n,), ties by index."""
        rank = np.empty(len(order), dtype=np.int64)
        rank[np.lexsort((np.arange(len(order)), order))] = np.arange(len(order))
        row = np.repeat(np.arange(len(order)), np.diff(similarity.indptr))
        kept = rank[similarity.indices] < rank[row]
        entries = (similarity.data[kept], (row[kept], similarity.indices[kept]))
        return cls(similarity, scipy.sparse.csr_array(entries, shape=similarity.shape), k)

    def gradient(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) k (K w)_i."""
        return np.asarray(self.k * (self.similarity @ weights))

    def penalty(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) k times the row sums of K w over the candidates that come before."""
        return np.asarray(self.k * (self.before @ weights))


@dataclass(frozen=True)
class LinearEnergy:
    """Inner products: gradient_i is the inner product of x_i with the weighted mean."""

    features: Tensor  # (n, d) float32

    def gradient(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) X (X'w)."""
        w = torch.from_numpy(weights).to(self.features)
        return np.asarray((self.features @ (w @ self.features)).double().cpu().numpy())

    def penalty(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) the gradient."""
        return self.gradient(weights)


@dataclass(frozen=True)
class SquaredEnergy:
    """Squared inner products: gradient_i = x_i' (X' diag(w) X) x_i."""

    features: Tensor  # (n, d) float32

    def gradient(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) (X X')^2 w, squared entrywise, without the (n, n) matrix."""
        w = torch.from_numpy(weights).to(self.features)
        second = self.features.T @ (self.features * w[:, None])
        return np.asarray(((self.features @ second) * self.features).sum(dim=1).double().cpu().numpy())

    def penalty(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) the gradient."""
        return self.gradient(weights)
