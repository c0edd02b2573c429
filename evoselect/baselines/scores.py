"""Baselines that rank candidates one by one by cosine to the targets."""

import numpy as np

from evoselect.cosines import group_max, mean_cosine_scores
from evoselect.task import Chosen, Task, in_order, random_scores, ranked


def random(task: Task) -> Chosen:
    """A uniform draw without replacement."""
    return ranked(random_scores(task.n, task.seed), task.k)


def everything(task: Task) -> Chosen:
    """The first k rows as they come: the whole pool where k is its size."""
    return in_order(np.arange(task.k, dtype=np.int64))


def mean_cosine(task: Task) -> Chosen:
    """Cosine to the mean of the unit targets: LESS with one checkpoint and one group (Xia et al. 2024)."""
    return ranked(mean_cosine_scores(task.candidates, task.targets), task.k)


def max_cosine(task: Task) -> Chosen:
    """Cosine to the nearest target."""
    groups = np.arange(task.m)
    return ranked(group_max(task.candidates, task.targets, groups), task.k)


def less(task: Task) -> Chosen:
    """LESS matching: max over groups of the group's mean cosine (Xia et al. 2024).

    Features of several checkpoints stand side by side, scaled by their weights, so that cosines add up.
    """
    groups = np.zeros(task.m, dtype=np.int64) if task.groups is None else task.groups
    return ranked(group_max(task.candidates, task.targets, groups), task.k)
