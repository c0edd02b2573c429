"""The capacity method against oracles: the dense linear programme, the dense problem, brute force."""

import itertools

import numpy as np
import ot
import pytest
import scipy.sparse

from evoselect.budget import Budget
from evoselect.capacity import optimum, rounding, shortlist, whole
from evoselect.capacity import scaling as capacity
from evoselect.capacity.scaling import Problem
from evoselect.pools.pool import Pool
from evoselect.redundancy.diversity import similarity_dense
from evoselect.redundancy.energy import LocalEnergy
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Task
from evoselect.transport import transport_distance
from tests.evoselect.instances import Instance, instance


def dense_cost(case: Instance) -> np.ndarray:
    return 1.0 - (case.candidates @ case.targets.T).double().numpy()


def dense_linear_programme(case: Instance, k: int) -> float:
    """POT's exact transport with a dummy target of cost 0 that takes what the candidates keep."""
    cost = dense_cost(case)
    n, m = cost.shape
    supply = np.full(n, 1.0 / k)
    demand = np.append(np.full(m, 1.0 / m), n / k - 1.0)
    return float(
        ot.emd2(
            supply,
            demand * supply.sum() / demand.sum(),
            np.hstack([cost, np.zeros((n, 1))]),
            numItermax=10**7,
        )
    )


def optimise(case: Instance, k: int, **spec: float) -> optimum.Optimum:
    m = case.targets.shape[0]
    settings, masses = SelectionSpec.model_validate(spec), np.full(m, 1.0 / m)
    task = Task(case.pool, case.targets, k, 0, masses, settings, known_bandwidth=0.2)
    return optimum.optimise(task)


def exact_cost(found: optimum.Optimum) -> float:
    assert found.relaxation.programme is not None
    return found.relaxation.programme.cost


SHAPES = [
    (2000, 60, 32, 60),
    (2000, 60, 32, 240),
    (2000, 60, 32, 600),
    (1000, 50, 64, 500),
    (3000, 30, 48, 317),
    (800, 100, 24, 400),
]


@pytest.mark.parametrize(("n", "m", "d", "k"), SHAPES)
def test_relaxed_solution_equals_the_dense_linear_programme(n: int, m: int, d: int, k: int) -> None:
    case = instance(n, m, d, seed=k)
    exact = dense_linear_programme(case, k)
    found = optimise(
        case, k, **{"lambda": 0.0, "epsilon": 0.001, "tolerance": 1e-4, "max_iterations": 20_000}
    )
    entropic = float(found.solution.plan.multiply(found.problem.shortlist.cost).sum())
    assert found.solution.converged
    assert entropic == pytest.approx(exact, abs=1e-3)
    assert exact_cost(found) == pytest.approx(exact, abs=1e-6)
    assert found.relaxation.bound == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("n", "m", "d", "k"), SHAPES)
def test_rounding_costs_at_most_one_percent(n: int, m: int, d: int, k: int) -> None:
    case = instance(n, m, d, seed=k + 1)
    found = optimise(case, k, **{"lambda": 0.0})
    chosen = found.problem.shortlist.candidates[found.rounded.chosen]
    assert len(np.unique(chosen)) == k
    cost = np.ascontiguousarray(dense_cost(case)[chosen])
    truth = ot.emd2(np.full(k, 1.0 / k), np.full(m, 1.0 / m), cost, numItermax=10**7)
    exact = dense_linear_programme(case, k)
    assert truth <= exact * 1.01
    assert found.relaxation.bound <= truth + 1e-7
    assert found.rounded.transport.cost >= truth - 1e-7


@pytest.mark.parametrize("k", [1, 2, 3])
def test_bound_holds_for_every_subset(k: int) -> None:
    case = instance(9, 4, 5, seed=k)
    found = optimise(case, k, **{"lambda": 0.0})
    cost = dense_cost(case)
    every = [
        ot.emd2(np.full(k, 1.0 / k), np.full(4, 0.25), np.ascontiguousarray(cost[list(subset)]))
        for subset in itertools.combinations(range(9), k)
    ]
    assert found.relaxation.bound <= min(every) + 1e-7
    assert found.rounded.transport.cost == pytest.approx(min(every), rel=0.05)


@pytest.mark.parametrize("lam", [0.0, 0.05])
def test_shortlist_equals_dense(lam: float) -> None:
    case = instance(1500, 20, 32, seed=3)
    m, k = 20, 120
    listed = optimise(case, k, **{"lambda": lam, "tolerance": 1e-4, "max_iterations": 2000})
    assert not listed.problem.shortlist.complete
    assert listed.relaxation.certified
    dense = shortlist.build(case.pool, case.targets, 1500)
    assert dense.complete
    similar = scipy.sparse.csr_array(similarity_dense(case.candidates, 0.2))
    order = capacity.reduced_cost(dense, listed.relaxation.g)
    energy = None if lam == 0 else LocalEnergy.in_order(similar, k, order)
    problem = Problem(dense, np.full(m, 1.0 / m), Budget.of_rows(1500, k), energy, listed.problem.lam)
    start = capacity.start(problem, listed.relaxation.g)
    solution = capacity.solve(problem, epsilon=0.002, tolerance=1e-4, max_iterations=2000, warm=start)
    weights = np.zeros(1500)
    weights[listed.problem.shortlist.candidates] = listed.solution.weights
    assert np.abs(weights - solution.weights).sum() < 0.02
    if lam == 0.0:
        programme = rounding.relaxed_optimum(dense, problem.masses, problem.budget, listed.relaxation.g)
        assert programme.cost == pytest.approx(exact_cost(listed), abs=1e-7)


def test_small_epsilon_without_diversity_reaches_the_nearest_candidates() -> None:
    """Limit 4: with k = M no cap binds, and the cost is sum_j b_j min_i C_ij."""
    case = instance(600, 12, 32, seed=5, twins=0.0)
    found = optimise(case, 12, **{"lambda": 0.0, "epsilon": 0.0005})
    nearest = dense_cost(case).min(axis=0)
    if len(set(dense_cost(case).argmin(axis=0))) == 12:
        assert exact_cost(found) == pytest.approx(nearest.mean(), abs=1e-6)
    assert exact_cost(found) >= nearest.mean() - 1e-7


def test_a_list_that_is_widened_for_some_targets_is_wider_for_them_alone() -> None:
    case = instance(2_000, 12, 16, seed=8)
    narrow, short = shortlist.build(case.pool, case.targets, 64), np.array([2, 7])
    wide = shortlist.widen(narrow, case.pool, case.targets, short)
    cost = dense_cost(case)
    for j in range(12):
        width = 256 if j in short else 64
        listed = wide.candidates[wide.cost.indices[wide.cost.indptr[j] : wide.cost.indptr[j + 1]]]
        assert set(listed.tolist()) == set(np.argsort(cost[:, j])[:width].tolist())
        assert wide.radius[j] == pytest.approx(np.sort(cost[:, j])[width - 1], abs=1e-6)


def test_a_selection_that_widens_its_lists_is_the_dense_one() -> None:
    """Near rows lie only where the sample looks, so it calls them four times as many as they are."""
    case, m, k = instance(18_000, 60, 32, seed=4), 60, 120
    near = np.argsort(-(case.candidates @ case.targets.T).amax(dim=1).numpy(), kind="stable")
    order = np.empty(18_000, dtype=np.int64)
    seen = np.arange(18_000) % (18_000 // shortlist.sample_rows(18_000, m, k)) == 0
    order[seen], order[~seen] = near[: seen.sum()], near[seen.sum() :]
    pool = case.candidates[order]
    spec = SelectionSpec.model_validate({"lambda": 0.0})
    found = select(pool, case.targets, k, spec, seed=0, compare_with_baselines=False)
    assert int(str(found.diagnostics["shortlist_widenings"])) > 0
    assert found.diagnostics["certified"]
    dense = shortlist.build(Pool.of(pool), case.targets, 18_000)
    budget = Budget.of_rows(18_000, k)
    programme = rounding.relaxed_optimum(dense, np.full(m, 1.0 / m), budget, np.full(m, 2.0))
    assert whole.is_vertex(programme, budget)
    assert set(found.indices.tolist()) == set(np.flatnonzero(np.diff(programme.plan.indptr)).tolist())


def test_a_large_selection_lists_a_few_times_its_budget_and_certifies_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half the pool lies within the margin of the prices; what is listed goes by the budget all the same."""
    case, k = instance(20_000, 60, 64, seed=9, modes=2, spread=0.5, on_target=0.6), 500
    monkeypatch.setattr(shortlist, "EXACT_NODES", 10)
    found = optimise(case, k, **{"lambda": 0.0})
    listed = len(found.relaxation.problem.shortlist.candidates)
    assert k < listed < 2 * shortlist.LISTED * k
    assert found.relaxation.certified
    monkeypatch.setattr(shortlist, "LISTED", 1_000)
    wide = optimise(case, k, **{"lambda": 0.0})
    assert len(wide.relaxation.problem.shortlist.candidates) > 2 * listed
    assert found.relaxation.bound == pytest.approx(wide.relaxation.bound, abs=1e-3)
    assert found.rounded.transport.cost <= wide.rounded.transport.cost + 1e-3


def test_targets_in_one_place_share_what_is_near_them() -> None:
    """All want the same 400 candidates, far more than a fair share of each."""
    case = instance(900, 40, 16, seed=8, modes=1, spread=0.3)
    found = optimise(case, 400, **{"lambda": 0.0})
    assert found.relaxation.certified
    assert exact_cost(found) == pytest.approx(dense_linear_programme(case, 400), abs=1e-6)


def test_torch_candidates_in_half_precision_agree() -> None:
    case = instance(500, 20, 32, seed=2)
    half = Instance(case.candidates.half(), case.targets, case.unseen)
    rounded = Instance(half.candidates.float(), case.targets, case.unseen)
    assert optimise(half, 60, **{"lambda": 0.0}).relaxation.bound == pytest.approx(
        optimise(rounded, 60, **{"lambda": 0.0}).relaxation.bound, abs=1e-6
    )


def test_what_redundancy_adds_to_costs_stays_out_of_the_shortlist() -> None:
    """The programme with redundancy has dearer costs; those of the transport are still the cosines."""
    case, m, k = instance(300, 10, 16, seed=3), 10, 40
    listed = shortlist.build(Pool.of(case.candidates), case.targets, 300)
    budget, extra = Budget.of_rows(300, k), np.linspace(0.0, 0.5, 300)
    rounding.relaxed_optimum(listed, np.full(m, 1.0 / m), budget, np.full(m, 2.0), extra=extra)
    assert abs(listed.by_candidate - listed.cost.T).max() == 0.0
    found = optimise(case, k, **{"lambda": 0.5})
    chosen = found.problem.shortlist.candidates[found.rounded.chosen]
    exact = transport_distance(case.candidates[chosen], case.targets)
    assert found.rounded.transport.cost == pytest.approx(exact, abs=1e-6)
