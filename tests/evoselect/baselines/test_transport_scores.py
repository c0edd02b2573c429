"""Scores from transport: marginals, and potentials as gradients."""

import numpy as np
import ot
import pytest
import torch

from evoselect.baselines import tarot, transport_scores
from evoselect.errors import InvalidInput
from tests.evoselect.baselines.tasks import COSINE, posed, task


def test_unbalanced_transport_keeps_the_target_marginal() -> None:
    found = transport_scores.unbalanced_ot(task(200))
    assert found.score.sum() == pytest.approx(1.0, abs=1e-3)
    assert (COSINE.max(axis=1)[found.order[:20]]).mean() > COSINE.max(axis=1).mean()


def test_source_potential_is_the_gradient_of_entropic_transport() -> None:
    cost = 1.0 - COSINE[:15]
    f, converged = transport_scores.source_potential(cost, 0.1)
    assert converged

    def value(weights: np.ndarray) -> float:
        plan, _ = ot.bregman.sinkhorn_log(
            weights, np.full(12, 1 / 12), cost, 0.1, numItermax=5_000, stopThr=1e-12, log=True
        )
        return float((plan * cost).sum() + 0.1 * (plan * np.log(plan)).sum())

    for i, j in [(0, 1), (3, 9), (14, 2)]:
        move = np.zeros(15)
        move[i], move[j] = 1e-4, -1e-4
        slope = (value(np.full(15, 1 / 15) + move) - value(np.full(15, 1 / 15) - move)) / 2e-4
        assert f[i] - f[j] == pytest.approx(slope, abs=1e-4)


def test_gotd_score_is_minus_the_potential_against_the_others() -> None:
    f = np.array([0.1, 0.4, -0.2])
    expected = [-(0.1 - 0.1), -(0.4 + 0.05), -(-0.2 - 0.25)]
    assert transport_scores.got_scores(f) == pytest.approx(expected)


def test_methods_that_cannot_hold_the_matrix_refuse() -> None:
    wide = posed(torch.zeros(10_000, 1), torch.zeros(10_000, 1), 5, 0)
    for method in (tarot.tarot, transport_scores.gotd, transport_scores.unbalanced_ot):
        with pytest.raises(InvalidInput, match="10000 x 10000"):
            method(wide)
