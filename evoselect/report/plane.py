"""The features in two dimensions: principal components, and how far the picture can be trusted.

A plane that was fitted to other rows of the same dimension may be used again: then both pictures have the
same axes, and `shares` says how much of the new rows' variance they hold.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from evoselect.arrays import Floats
from evoselect.features import row_blocks

NEIGHBOURS = 10  # of a point, that trustworthiness asks about
MOST = 1_000  # rows that it is asked of: all their distances are held
_NOTHING = 1e-12  # a variance below this share of the whole is rounding


@dataclass(frozen=True)
class Plane:
    """The two directions of largest variance of the rows that it was fitted to."""

    origin: Tensor  # (d,)
    axes: Tensor  # (d, 2), orthonormal; a column of zeros where the rows have fewer directions

    def of(self, features: Tensor) -> Floats:
        """features (n, d) -> (n, 2) coordinates."""
        origin, axes = self.origin.to(features.device), self.axes.to(features.device)
        parts = [(features[rows].float() - origin) @ axes for rows in row_blocks(features)]
        return np.asarray(torch.cat(parts).double().cpu().numpy())


def fit(features: Tensor) -> Plane:
    """Principal components of features (n, d), by the smaller of the two Gram matrices; signs are fixed."""
    rows = features.float()
    origin = rows.mean(dim=0)
    centred = (rows - origin).double()
    n, d = centred.shape
    gram = (centred @ centred.T if n < d else centred.T @ centred).cpu().numpy()
    size = gram.shape[0]
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=[max(0, size - 2), size - 1])
    total = max(float(np.trace(gram)), np.finfo(np.float64).tiny)
    axes = torch.zeros(d, 2, dtype=torch.float64, device=rows.device)
    for place, (value, vector) in enumerate(zip(values[::-1], vectors.T[::-1], strict=True)):
        if value <= _NOTHING * total:
            continue
        known = torch.from_numpy(vector.copy()).to(rows.device)
        axis = centred.T @ known / value**0.5 if n < d else known
        axes[:, place] = axis * torch.sign(axis[axis.abs().argmax()])
    return Plane(origin, axes.float())


def shares(plane: Plane, features: Tensor) -> tuple[float, float]:
    """Of the variance of features (n, d) around their mean, what lies along each axis, 0 to 1."""
    centred = features.float() - features.float().mean(dim=0)
    total = float(torch.linalg.vector_norm(centred, dtype=torch.float64)) ** 2
    along = (centred @ plane.axes.to(features.device)).double().square().sum(dim=0)
    first, second = (along / max(total, np.finfo(np.float64).tiny)).tolist()
    return first, second


def trustworthiness(features: Tensor, points: Floats, neighbours: int = NEIGHBOURS) -> float | None:
    """How far neighbours in the picture are neighbours indeed, 0 to 1 (Venna and Kaski 2001).

    features (n, d) and points (n, 2) are the same rows; all n x n distances are held. None for fewer rows
    than 2 * ``neighbours`` + 1, for which the measure is not defined.
    """
    n = len(points)
    if n <= 2 * neighbours:
        return None
    far = torch.cdist(features.double(), features.double()).cpu().numpy()
    near = torch.cdist(torch.from_numpy(points), torch.from_numpy(points)).numpy()
    for distances in (far, near):
        np.fill_diagonal(distances, -1.0)  # a row is its own first neighbour, whatever ties there are
    rank = np.argsort(np.argsort(far, axis=1, kind="stable"), axis=1)
    shown = np.argsort(near, axis=1, kind="stable")[:, 1 : neighbours + 1]
    excess = np.take_along_axis(rank, shown, axis=1) - neighbours
    worst = n * neighbours * (2 * n - 3 * neighbours - 1) / 2
    return float(1.0 - excess[excess > 0].sum() / worst)
