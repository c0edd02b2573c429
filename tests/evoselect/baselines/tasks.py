"""The instance that tests of baselines share, and its matrix of cosines."""

import numpy as np
import torch

from evoselect.pools.pool import Pool
from evoselect.task import Task
from tests.evoselect.instances import instance

CASE = instance(200, 12, 16, seed=4)
COSINE = (CASE.candidates.double() @ CASE.targets.double().T).numpy()


def posed(candidates: torch.Tensor, targets: torch.Tensor, k: int, seed: int) -> Task:
    """All targets count alike."""
    return Task(Pool.of(candidates), targets, k, seed, np.full(len(targets), 1.0 / len(targets)))


def task(k: int) -> Task:
    return posed(CASE.candidates, CASE.targets, k, seed=5)
