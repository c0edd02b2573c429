"""Cosines of candidates to targets, whole or as one score a candidate."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, row_blocks


def dense_cosine(candidates: Matrix, targets: Tensor) -> Floats:
    """candidates (N, d), targets (M, d) -> (N, M) inner products, float32 products as float64."""
    cosine = candidates[:].float() @ targets.to(candidates.device).float().T
    return np.ascontiguousarray(cosine.double().cpu().numpy())


def mean_cosine_scores(candidates: Matrix, targets: Tensor) -> Floats:
    """candidates (N, d), targets (M, d) -> (N,) inner product with the mean target."""
    return group_max(candidates, targets, np.zeros(targets.shape[0], dtype=np.int64))


def group_max(candidates: Matrix, targets: Tensor, groups: Ints) -> Floats:
    """(N,) the largest inner product with a mean of a group.

    candidates (N, d), targets (M, d), groups (M,) the targets' group numbers from 0, each used.
    """
    means = _group_means(targets, groups).to(candidates.device)
    parts = [(candidates[rows].float() @ means.T).amax(dim=1) for rows in row_blocks(candidates)]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def _group_means(targets: Tensor, groups: Ints) -> Tensor:
    """(G, d) float32 mean of each group's rows."""
    label = torch.from_numpy(groups).to(targets.device)
    sums = torch.zeros(int(groups.max()) + 1, targets.shape[1], dtype=torch.float64, device=targets.device)
    sums.index_add_(0, label, targets.double())
    return (sums / torch.bincount(label)[:, None]).float()
