"""Baselines that rank candidates one by one by cosine to the targets."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import row_blocks
from evoselect.task import Checkpoint, Ranking, Task, in_order, ranked


def random(task: Task) -> Ranking:
    """A uniform draw without replacement."""
    return ranked(random_scores(task.n, task.seed), task.k)


def everything(task: Task) -> Ranking:
    """The first k rows as they come: the whole pool where k is its size."""
    return in_order(np.arange(task.k, dtype=np.int64))


def mean_cosine(task: Task) -> Ranking:
    """Cosine to the mean of the unit targets: LESS with one checkpoint and one group (Xia et al. 2024)."""
    return ranked(mean_cosine_scores(task.candidates, task.targets), task.k)


def max_cosine(task: Task) -> Ranking:
    """Cosine to the nearest target."""
    groups = np.arange(task.m)
    return ranked(_group_max(task.candidates, task.targets, groups), task.k)


def less(task: Task) -> Ranking:
    """LESS matching: max over groups of the group's mean cosine, checkpoints summed by their normalised
    weights.
    """
    groups = np.zeros(task.m, dtype=np.int64) if task.groups is None else task.groups
    checkpoints = task.checkpoints or [Checkpoint(task.candidates, task.targets, 1.0)]
    total = sum(checkpoint.weight for checkpoint in checkpoints)
    means = [(c, _group_means(c.targets, groups) * (c.weight / total)) for c in checkpoints]
    parts = []
    for rows in row_blocks(task.candidates):
        by_group = sum(
            (c.candidates[rows].float() @ mean.to(c.candidates.device).T).cpu() for c, mean in means
        )
        parts.append(torch.as_tensor(by_group).amax(dim=1))
    return ranked(np.asarray(torch.cat(parts).double().numpy()), task.k)


def random_scores(n: int, seed: int) -> Floats:
    """(n,) uniform numbers: ranking by them is a uniform draw without replacement."""
    return np.random.default_rng(seed).random(n)


def mean_cosine_scores(candidates: Tensor, targets: Tensor) -> Floats:
    """(N,) inner product with the mean target."""
    return _group_max(candidates, targets, np.zeros(targets.shape[0], dtype=np.int64))


def _group_max(candidates: Tensor, targets: Tensor, groups: Ints) -> Floats:
    means = _group_means(targets, groups).to(candidates.device)
    parts = [(candidates[rows].float() @ means.T).amax(dim=1) for rows in row_blocks(candidates)]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def _group_means(targets: Tensor, groups: Ints) -> Tensor:
    """(G, d) float32 mean of each group's rows."""
    label = torch.from_numpy(groups).to(targets.device)
    sums = torch.zeros(int(groups.max()) + 1, targets.shape[1], dtype=torch.float64, device=targets.device)
    sums.index_add_(0, label, targets.double())
    return (sums / torch.bincount(label)[:, None]).float()
