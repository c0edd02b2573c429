"""The search by price against the whole cost matrix, and what it says about the edges that it leaves out."""

import numpy as np
import pytest
import torch

from evoselect.budget import Budget
from evoselect.capacity import rounding, shortlist
from evoselect.neighbours import priced
from evoselect.neighbours.priced import BFLOAT16_ERROR, LARGE_PRODUCT, edges_below
from tests.evoselect.instances import instance

LARGE = instance(70_000, 61, 16, seed=2)  # above LARGE_PRODUCT
SMALL = instance(900, 13, 16, seed=3)
BUDGET = Budget.of_rows(70_000, 3_000)


@pytest.mark.parametrize("case", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("window", [0.02, 3.0])
@pytest.mark.parametrize("coarse", [True, False])
def test_edges_are_those_of_the_whole_matrix(
    monkeypatch: pytest.MonkeyPatch, case: object, window: float, coarse: bool
) -> None:
    """Whether bfloat16 finds the pairs or float32."""
    monkeypatch.setattr(priced, "multiplies_faster_coarsely", lambda device: coarse)
    candidates, targets = case.candidates, case.targets  # type: ignore[attr-defined]  # an Instance
    cost = 1.0 - (candidates @ targets.T).double().numpy()
    price = np.quantile(cost, 0.003, axis=0)
    found = edges_below(candidates, targets, price, window)
    under = price - cost
    kept = (under >= 0.0) & (under >= under.max(axis=1, keepdims=True) - window)
    row, target = np.nonzero(kept)
    assert set(zip(found.rows[found.place].tolist(), found.target.tolist(), strict=True)) ^ set(
        zip(row.tolist(), target.tolist(), strict=True)
    ) <= {(i, j) for i, j in np.argwhere(np.abs(under) < 1e-6).tolist()}
    assert found.cost == pytest.approx(cost[found.rows[found.place], found.target], abs=1e-6)
    assert found.best == pytest.approx(under[found.rows].max(axis=1), abs=1e-6)
    assert (candidates.shape[0] * targets.shape[0] > LARGE_PRODUCT) == (case is LARGE)


def test_the_error_of_bfloat16_products_is_within_what_is_allowed_for() -> None:
    exact = SMALL.candidates @ SMALL.targets.T
    coarse = (SMALL.candidates.bfloat16() @ SMALL.targets.bfloat16().T).float()
    aligned = torch.nn.functional.normalize(torch.full((1, 512), 1.0 + 2.0**-8 + 2.0**-10), dim=1)
    worst = ((aligned.bfloat16() @ aligned.bfloat16().T).float() - 1.0).abs()
    assert max(float((exact - coarse).abs().max()), float(worst)) < BFLOAT16_ERROR


def test_absent_entries_cost_what_the_shortlist_says() -> None:
    masses = np.full(61, 1.0 / 61)
    listed, paid = shortlist.by_price(LARGE.pool, LARGE.targets, masses, BUDGET)
    cost = 1.0 - (LARGE.candidates @ LARGE.targets.T).double().numpy()
    assert not listed.complete
    narrow = shortlist.narrowed(listed, paid, 0.01, BUDGET.among(listed.candidates))
    checked, _ = shortlist.verified(listed, LARGE.pool, LARGE.targets, paid)
    for part in (listed, narrow, checked):
        absent = np.ones(cost.shape, dtype=bool)
        coo = part.cost.tocoo()
        absent[part.candidates[coo.col], coo.row] = False
        unlisted = np.setdiff1d(np.arange(70_000), part.candidates)
        assert (cost[unlisted] >= part.radius - 1e-6).all()
        rows = cost[part.candidates] - paid
        rows[~absent[part.candidates]] = np.inf
        assert (rows.min(axis=1) >= part.absent(paid) - 1e-6).all()


def test_the_bound_is_a_bound_from_any_prices() -> None:
    masses = np.full(61, 1.0 / 61)
    listed, paid = shortlist.by_price(LARGE.pool, LARGE.targets, masses, BUDGET)
    cost = 1.0 - (LARGE.candidates @ LARGE.targets.T).double().numpy()
    for seed in range(4):
        g = paid + np.random.default_rng(seed).normal(scale=0.03, size=61)
        g = np.minimum(g, listed.radius)
        dense = float(masses @ g + np.minimum((cost - g).min(axis=1), 0.0).sum() / 3_000)
        assert rounding.lower_bound(listed, masses, BUDGET.among(listed.candidates), g) <= dense + 1e-6
