"""TSDS against its loop as it was published."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evoselect.baselines import tsds
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Method
from tests.evoselect.baselines.tasks import CASE, COSINE, task


def tsds_slow(
    distance: np.ndarray, index: np.ndarray, density: np.ndarray, n: int, alpha: float, c: float
) -> np.ndarray:
    """Raise the common cap 1/s until the spread is too dear, then fill each target's neighbours."""
    m, width = distance.shape
    share = 1.0 / density[index]
    filled = np.cumsum(share, axis=1)
    cost, last, cap = np.zeros(m), np.zeros(m, dtype=int), 0.0
    for mass, kth, i in sorted((filled[i, kth], kth, i) for i in range(m) for kth in range(width - 1)):
        cap = mass
        cost[i] = distance[i, kth + 1] * mass - (distance[i, : kth + 1] * share[i, : kth + 1]).sum()
        if alpha / c * cost.sum() >= (1 - alpha) * m:
            break
        last[i] = kth
    p = np.zeros(n)
    for i in range(m):
        room = 1.0 / m
        for kth in range(last[i] + 1):
            p[index[i, kth]] += share[i, kth] / (m * cap)
            room -= share[i, kth] / (m * cap)
        p[index[i, last[i] + 1]] += max(room, 0.0)
    return p


@pytest.mark.parametrize("alpha", [0.01, 0.3, 0.6, 0.9])
def test_tsds_probabilities_are_the_literal_loop_and_sum_to_one(alpha: float) -> None:
    distance = np.sqrt(np.maximum(2.0 - 2.0 * np.sort(COSINE.T, axis=1)[:, ::-1][:, :40], 0.0))
    index = np.argsort(-COSINE.T, axis=1)[:, :40]
    density = 1.0 + np.random.default_rng(0).random(200)
    found = tsds.probabilities(distance, index, density, n=200, alpha=alpha, c=5.0)
    assert found == pytest.approx(tsds_slow(distance, index, density, 200, alpha, 5.0), abs=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_tsds_all_weight_on_closeness_is_the_nearest_neighbour() -> None:
    index = np.argsort(-COSINE.T, axis=1)[:, :20]
    distance = np.sqrt(2.0 - 2.0 * np.take_along_axis(COSINE.T, index, axis=1))
    p = tsds.probabilities(distance, index, np.ones(200), n=200, alpha=1.0 - 1e-9, c=5.0)
    assert set(np.flatnonzero(p > 1e-9)) == set(index[:, 0].tolist())


def test_tsds_density_divides_the_share_of_copies() -> None:
    row = CASE.candidates[:1]
    crowd = torch.cat([row.repeat(4, 1), CASE.candidates[50:]])
    density = tsds._density(crowd, np.arange(len(crowd))[None, :], len(crowd))
    alone = tsds._density(torch.cat([row, CASE.candidates[50:]]), np.arange(151)[None, :], 151)
    assert density[0] == pytest.approx(alone[0] + 3.0, abs=1e-4)


@pytest.mark.parametrize("method", [tsds.tsds, tsds.tsds_uniform])
def test_tsds_fills_the_budget_and_says_how(method: Method) -> None:
    found = method(task(150))
    assert len(set(found.order.tolist())) == 150
    positive, topped_up = found.diagnostics["positive_probability"], found.diagnostics["topped_up"]
    assert isinstance(positive, int)
    assert topped_up == max(0, 150 - positive)
    released = method(replace(task(150), spec=SelectionSpec(method="tsds", as_released=True)))
    assert len(set(released.order.tolist())) == 150
    added = released.diagnostics["topped_up"]
    assert isinstance(added, int)
    assert isinstance(topped_up, int)
    assert added >= topped_up


def test_uniform_width_is_the_smallest_that_pays() -> None:
    distance = np.sort(np.random.default_rng(1).random((5, 30)), axis=1)
    for alpha in (0.3, 0.6, 0.9):
        spread = [
            sum(distance[i, kept] - distance[i, place] for i in range(5) for place in range(kept))
            for kept in range(1, 30)
        ]
        paying = [
            kept for kept, value in enumerate(spread, start=1) if alpha / 5.0 * value >= (1 - alpha) * 5
        ]
        assert tsds._uniform_width(distance, alpha, 5.0) == (paying[0] if paying else 30)
