"""Dealing the pool to the targets, against dealing from the whole matrix."""

import itertools

import numpy as np
import pytest

from evoselect.baselines.round_robin import round_robin
from tests.evoselect.baselines.tasks import COSINE, task


@pytest.mark.parametrize("k", [1, 12, 13, 50, 200])
def test_round_robin_is_dealing_from_the_whole_matrix(k: int) -> None:
    taken: list[int] = []
    for turn in itertools.count():
        if len(taken) == k:
            break
        column = COSINE[:, turn % 12].copy()
        column[taken] = -np.inf
        taken.append(int(column.argmax()))
    assert round_robin(task(k)).order.tolist() == taken
