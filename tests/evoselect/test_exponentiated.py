"""The exponentiated solver: its limits, its gradient, its descent."""

import numpy as np
import pytest

from evoselect import exponentiated
from evoselect.baselines.transport_scores import source_potential
from evoselect.cosines import mean_cosine_scores
from evoselect.redundancy.energy import Energy, LinearEnergy, SquaredEnergy
from evoselect.select import select
from evoselect.spec.selection import CAPACITY_LAMBDA, EXPONENTIATED_LAMBDA, SelectionSpec
from tests.evoselect.instances import instance

CASE = instance(120, 10, 16, seed=6)
COST = 1.0 - (CASE.candidates.double() @ CASE.targets.double().T).numpy()
MASSES = np.full(10, 0.1)
DOUBLE = CASE.candidates.double()
LINEAR = LinearEnergy(CASE.candidates)


def solve(**settings: float) -> exponentiated.ExponentiatedSolution:
    values = {"alpha": 1.0, "lam": 0.0, "epsilon": 0.05, "step": 1.0, "steps": 1} | settings
    steps = int(values.pop("steps"))
    return exponentiated.solve(COST, MASSES, LINEAR, steps=steps, **values)


def ranking(weights: np.ndarray) -> list[int]:
    return [int(row) for row in np.argsort(-weights, kind="stable")]


def test_one_step_without_diversity_ranks_by_the_potential_at_uniform_weights() -> None:
    f, _ = source_potential(COST, 0.05)
    assert ranking(solve().weights)[:100] == ranking(-f)[:100]


def test_one_step_at_large_epsilon_ranks_by_mean_cosine() -> None:
    far = ranking(solve(epsilon=5_000.0).weights)
    assert far == ranking(mean_cosine_scores(CASE.candidates, CASE.targets))


def test_one_step_of_diversity_alone_ranks_by_unlikeness_to_the_pool_mean() -> None:
    x = CASE.candidates.double().numpy()
    assert ranking(solve(alpha=0.0, lam=1.0).weights) == ranking(-x @ x.mean(axis=0))


@pytest.mark.parametrize("energy", [LinearEnergy(DOUBLE), SquaredEnergy(DOUBLE)])
def test_gradients_agree_with_finite_differences(energy: Energy) -> None:
    rng = np.random.default_rng(0)
    w = rng.dirichlet(np.ones(120))

    def value(at: np.ndarray) -> float:
        transport = exponentiated.entropic_transport(COST, at, MASSES, epsilon=0.1).value
        return transport + 0.5 * 0.7 * float(at @ energy.gradient(at))

    here = exponentiated.entropic_transport(COST, w, MASSES, epsilon=0.1)
    q = here.f + 0.7 * energy.gradient(w)
    for _ in range(4):
        move = rng.normal(size=120)
        move = 1e-5 * (move - move.mean()) * w
        move -= move.sum() / 120
        assert (value(w + move) - value(w - move)) / 2 == pytest.approx(float(q @ move), rel=2e-3, abs=1e-9)


def test_energies_are_their_dense_matrices() -> None:
    x = CASE.candidates.double().numpy()
    w = np.random.default_rng(1).dirichlet(np.ones(120))
    assert LINEAR.gradient(w) == pytest.approx(x @ x.T @ w, abs=1e-6)
    assert SquaredEnergy(CASE.candidates).gradient(w) == pytest.approx((x @ x.T) ** 2 @ w, abs=1e-6)


def test_the_objective_falls_and_the_frank_wolfe_gap_bounds_what_is_left() -> None:
    few, many = solve(lam=0.5, steps=3), solve(lam=0.5, steps=150)
    assert many.objective < few.objective
    assert few.objective - many.objective <= few.gap + 1e-6


def test_a_step_that_is_too_long_is_halved() -> None:
    found = solve(lam=0.5, steps=40, step=200.0)
    assert found.halvings > 0
    assert found.objective < solve(lam=0.5, steps=1, step=200.0).objective


def test_select_reports_what_was_rounded_away() -> None:
    spec = SelectionSpec(method="exponentiated")
    found = select(CASE.candidates, CASE.targets, 30, spec, seed=0)
    share = found.diagnostics["rounded_away"]
    assert isinstance(share, float)
    assert 0.0 <= share < 1.0
    assert np.all(np.diff(found.weights) <= 0)


def test_lambda_is_the_methods_own_unless_one_is_given() -> None:
    assert SelectionSpec().lam == CAPACITY_LAMBDA
    assert SelectionSpec(method="exponentiated").lam == EXPONENTIATED_LAMBDA
    assert SelectionSpec(method="exponentiated", lam=0.7).lam == 0.7
    sent = SelectionSpec.model_validate({"method": "exponentiated", "lambda": 0.7})
    assert SelectionSpec.model_validate_json(sent.model_dump_json(by_alias=True)) == sent
