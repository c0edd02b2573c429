"""Scores by cosines against the whole matrix."""

from dataclasses import replace

import numpy as np
import pytest

from evoselect.baselines import scores
from tests.evoselect.baselines.tasks import COSINE, posed, task
from tests.evoselect.instances import instance


def test_random_is_a_uniform_draw() -> None:
    small = instance(10, 2, 4)
    counts = np.zeros(10)
    for seed in range(2_000):
        counts[scores.random(posed(small.candidates, small.targets, 3, seed)).order] += 1
    assert np.abs(counts - 600).max() < 5 * np.sqrt(600 * 0.7)


def test_everything_is_the_pool_in_order() -> None:
    assert scores.everything(task(200)).order.tolist() == list(range(200))


def test_mean_and_max_cosine_are_the_row_means_and_maxima() -> None:
    assert scores.mean_cosine(task(30)).order.tolist() == np.argsort(-COSINE.mean(axis=1))[:30].tolist()
    assert scores.max_cosine(task(30)).order.tolist() == np.argsort(-COSINE.max(axis=1))[:30].tolist()


def test_less_is_the_best_group_mean() -> None:
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 1, 0])
    by_group = np.stack([COSINE[:, groups == g].mean(axis=1) for g in range(3)], axis=1).max(axis=1)
    found = scores.less(replace(task(40), groups=groups))
    assert found.order.tolist() == np.argsort(-by_group)[:40].tolist()
    assert found.score == pytest.approx(np.sort(-by_group)[:40] * -1, abs=1e-6)


def test_less_without_groups_is_mean_cosine() -> None:
    assert scores.less(task(50)).order.tolist() == scores.mean_cosine(task(50)).order.tolist()
