"""Cosines as scores, against the whole matrix."""

import numpy as np
import pytest

from evoselect.cosines import dense_cosine, group_max, mean_cosine_scores
from tests.evoselect.instances import instance

CASE = instance(300, 7, 16, seed=2)
WHOLE = CASE.candidates.double().numpy() @ CASE.targets.double().numpy().T


def test_the_dense_matrix_is_the_product() -> None:
    assert dense_cosine(CASE.candidates, CASE.targets) == pytest.approx(WHOLE, abs=1e-6)


def test_the_mean_score_is_the_mean_of_the_row() -> None:
    assert mean_cosine_scores(CASE.candidates, CASE.targets) == pytest.approx(WHOLE.mean(axis=1), abs=1e-6)


def test_the_group_score_is_the_largest_mean_of_a_group() -> None:
    groups = np.array([0, 1, 0, 2, 2, 1, 0])
    slow = np.stack([WHOLE[:, groups == g].mean(axis=1) for g in range(3)], axis=1).max(axis=1)
    assert group_max(CASE.candidates, CASE.targets, groups) == pytest.approx(slow, abs=1e-6)
