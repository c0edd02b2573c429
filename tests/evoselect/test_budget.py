"""Budgets in tokens and pinned rows, against linear programmes of scipy and every set of tiny pools."""

import itertools

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from evoselect.arrays import Floats, Ints
from evoselect.budget import TOLERANCE, Budget
from evoselect.capacity import optimum, shortlist, tuning
from evoselect.errors import InvalidInput
from evoselect.select import select
from evoselect.selection import Selection
from evoselect.spec.selection import METHODS, SelectionSpec
from evoselect.task import Task
from evoselect.transport import transport_distance
from tests.evoselect.instances import Instance, instance

PLAIN = SelectionSpec.model_validate({"lambda": 0.0})


def tokens_of(n: int, seed: int, most: int = 300) -> Ints:
    return np.random.default_rng(seed).integers(20, most, n)


def cost_of(case: Instance) -> Floats:
    return np.asarray(1.0 - (case.candidates @ case.targets.T).double().numpy())


def programme(cost: Floats, budget: Budget) -> float:
    """min sum P C: targets get 1/M each, candidates give at most their caps, pinned ones all of it."""
    n, m = cost.shape
    column = np.arange(n * m)
    gives, gets = np.zeros((n, n * m)), np.zeros((m, n * m))
    gives[column // m, column], gets[column % m, column] = 1.0, 1.0
    found = linprog(
        cost.ravel(),
        A_ub=gives,
        b_ub=budget.caps,
        A_eq=np.vstack([gets, gives[budget.pinned]]),
        b_eq=np.concatenate([np.full(m, 1.0 / m), budget.caps[budget.pinned]]),
    )
    assert found.status == 0, found.message
    return float(found.fun)


def transport_of(cost: Floats, budget: Budget, chosen: Ints) -> float:
    m = cost.shape[1]
    return float(ot.emd2(budget.measure(chosen), np.full(m, 1.0 / m), np.ascontiguousarray(cost[chosen])))


def chosen_by(case: Instance, budget: Budget, spec: SelectionSpec = PLAIN) -> Selection:
    return select(case.candidates, case.targets, budget, spec, seed=0, compare_with_baselines=False)


def number(found: Selection, name: str) -> float:
    value = found.diagnostics[name]
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("pinned", [(), (3, 60, 41)], ids=["free", "pinned"])
@pytest.mark.parametrize("unit", ["rows", "tokens"])
def test_the_bound_is_the_linear_programme(unit: str, pinned: tuple[int, ...]) -> None:
    case = instance(80, 9, 8, seed=4)
    budget = Budget.of_rows(80, 17, pinned)
    if unit == "tokens":
        budget = Budget.of_tokens(tokens_of(80, 1), 2_600, pinned)
    found = chosen_by(case, budget)
    exact = programme(cost_of(case), budget)
    task = Task(case.pool, case.targets, budget.count, 0, np.full(9, 1.0 / 9), PLAIN, given=budget)
    relaxation = optimum.relax(task)
    assert relaxation.bound == pytest.approx(exact, abs=1e-6)
    assert number(found, "transport_lower_bound") <= relaxation.bound + 1e-9
    assert number(found, "transport") == pytest.approx(
        transport_of(cost_of(case), budget, found.indices), abs=1e-6
    )
    assert number(found, "gap") < 0.05
    assert found.diagnostics["certified"]
    assert found.indices[: len(pinned)].tolist() == list(pinned)


@pytest.mark.parametrize("seed", range(4))
def test_no_set_of_tokens_undercuts_the_bound_and_few_undercut_the_choice(seed: int) -> None:
    case, price = instance(12, 4, 5, seed=seed), tokens_of(12, seed, 60)
    budget = Budget.of_tokens(price, 170, (5,) if seed % 2 else ())
    found = chosen_by(case, budget)
    spent = budget.spent(found.indices)
    rivals = [
        transport_of(cost_of(case), budget, np.array(rows))
        for size in range(1, 9)
        for rows in itertools.combinations(range(12), size)
        if spent <= budget.spent(np.array(rows)) <= 170 and set(budget.pinned.tolist()) <= set(rows)
    ]
    assert spent <= 170
    assert number(found, "transport_lower_bound") <= min(rivals) + 1e-7
    assert number(found, "transport") <= 1.1 * min(rivals)


@pytest.mark.parametrize("seed", range(3))
def test_pinned_rows_are_chosen_around_as_well_as_any(seed: int) -> None:
    case, budget = instance(11, 4, 5, seed=seed), Budget.of_rows(11, 4, (7, 2))
    found = chosen_by(case, budget)
    others = [row for row in range(11) if row not in (7, 2)]
    every = [
        transport_of(cost_of(case), budget, np.array([7, 2, *pair]))
        for pair in itertools.combinations(others, 2)
    ]
    assert found.indices[:2].tolist() == [7, 2]
    assert number(found, "transport_lower_bound") <= min(every) + 1e-7
    assert number(found, "transport") == pytest.approx(min(every), rel=0.05)


def test_equal_tokens_are_rows() -> None:
    case = instance(500, 20, 16, seed=6)
    spec = SelectionSpec()
    rows = chosen_by(case, Budget.of_rows(500, 60), spec)
    tokens = chosen_by(case, Budget.of_tokens(np.full(500, 7), 420), spec)
    assert set(tokens.indices.tolist()) == set(rows.indices.tolist())
    assert number(tokens, "gap") == pytest.approx(number(rows, "gap"), abs=1e-6)


@pytest.mark.parametrize("scaled", [False, True], ids=["programme", "scalings"])
def test_a_large_pool_is_solved_by_tokens_around_what_is_pinned(
    scaled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, price = instance(6_000, 30, 24, seed=9), tokens_of(6_000, 3)
    budget = Budget.of_tokens(price, 60_000, (5_999, 12, 3_000))
    if scaled:
        monkeypatch.setattr(shortlist, "EXACT_NODES", 10)
    found = chosen_by(case, budget)
    assert number(found, "gap") < (0.06 if scaled else 0.02)
    assert 0.995 * 60_000 <= budget.spent(found.indices) <= 60_000
    assert found.indices[:3].tolist() == [5_999, 12, 3_000]
    assert found.weights == pytest.approx(budget.measure(found.indices))


def test_what_is_like_a_pinned_row_makes_way() -> None:
    """Row 1, a twin of row 0, is nearest to a target: it is chosen unless row 0 is pinned."""
    case = instance(200, 6, 12, seed=2, twins=0.0)
    pool = case.candidates.clone()
    pool[1] = case.targets[0]
    pool[0] = torch.nn.functional.normalize(pool[1] + 0.01 * pool[5], dim=0)
    moved = Instance(pool, case.targets, case.unseen)
    spec = SelectionSpec.model_validate({"lambda": 0.5})
    assert 1 in chosen_by(moved, Budget.of_rows(200, 6, (9,)), spec).indices
    around = chosen_by(moved, Budget.of_rows(200, 6, (0,)), spec)
    assert 0 in around.indices
    assert 1 not in around.indices


@pytest.mark.parametrize("method", [name for name in METHODS if name != "dsir"])
@pytest.mark.parametrize("unit", ["rows", "tokens"])
def test_every_method_spends_the_budget_and_holds_what_is_pinned(method: str, unit: str) -> None:
    case, price = instance(150, 8, 12, seed=3), tokens_of(150, 8)
    budget = Budget.of_rows(150, 30, (140, 2))
    if unit == "tokens":
        budget = Budget.of_tokens(price, 4_000, (140, 2))
    found = chosen_by(case, budget, SelectionSpec.model_validate({"method": method}))
    assert found.indices[:2].tolist() == [140, 2]
    assert len(np.unique(found.indices)) == len(found.indices)
    assert (1 - TOLERANCE) * budget.total <= budget.spent(found.indices) <= budget.total
    assert [item.pinned for item in found.items()][:3] == [True, True, False]
    assert np.isfinite(found.reasons.score).all()
    assert found.weights.sum() == pytest.approx(1.0)


def test_the_rivals_of_a_selection_spend_as_much() -> None:
    case, price = instance(300, 8, 12, seed=3), tokens_of(300, 8)
    budget = Budget.of_tokens(price, 5_000)
    found = select(case.candidates, case.targets, budget, PLAIN, seed=0)
    metrics = found.diagnostics["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["selected"]["transport"] == pytest.approx(number(found, "transport"))
    assert metrics["selected"]["transport"] < metrics["random"]["transport"]
    assert metrics["random"]["rows"] != metrics["selected"]["rows"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 1000), st.floats(0.0, 1.0))
def test_fill_never_overspends_and_closes_what_it_can(n: int, seed: int, share: float) -> None:
    price = tokens_of(n, seed, 400)
    total = int(price.min() + share * (price.sum() - price.min()))
    budget = Budget.of_tokens(price, total)
    order = np.random.default_rng(seed).permutation(n)
    taken = budget.fill(order)
    left = total - budget.spent(taken)
    assert left >= 0
    assert len(np.unique(taken)) == len(taken)
    rest = np.setdiff1d(order, taken)
    assert left <= TOLERANCE * total or not (price[rest] <= left).any()


def test_folds_measure_the_rows_that_were_chosen() -> None:
    """With redundancy the solver numbers its candidates anew; the folds must look at the same ones."""
    case = instance(400, 20, 12, seed=5)
    spec, held = SelectionSpec.model_validate({"lambda": 0.5}), np.arange(20) % 4 == 0
    masses = np.full(20, 1 / 20)
    task = Task(case.pool, case.targets, 150, 0, masses, spec, known_bandwidth=0.2)
    found = optimum.optimise(task.with_targets(np.flatnonzero(~held)))
    listed = found.relaxation.problem.shortlist.candidates
    assert len(found.problem.shortlist.candidates) < len(listed)
    rows = case.candidates[found.problem.shortlist.candidates[found.rounded.chosen]]
    wanted = transport_distance(rows, case.targets[held])
    assert tuning.held_out(task, held) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget.of_rows(40, 3, (1, 2, 3, 4)), "what is pinned takes 4 rows of a budget of 3"),
        (Budget.of_rows(40, 3, (1, 1)), "distinct rows"),
        (Budget.of_rows(40, 3, (40,)), "distinct rows from 0 to 39"),
        (Budget.of_rows(40, 0), "k = 0 is outside 1..40"),
        (Budget.of_rows(39, 3), "prices for 39 rows of 40"),
        (Budget.of_tokens(np.full(40, 10), 9), "a budget of 9 tokens is outside 10..400"),
        (Budget.of_tokens(np.full(40, 10), 401), "a budget of 401 tokens"),
        (Budget.of_tokens(np.full(40, 10), 25, (1, 2, 3)), "takes 30 tokens of a budget of 25"),
    ],
)
def test_impossible_budgets_are_refused_with_the_numbers(budget: Budget, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        chosen_by(instance(40, 5, 6, seed=1), budget)


def test_repeats_and_tokens_exclude_each_other() -> None:
    spec = SelectionSpec(repeat_budget=50)
    with pytest.raises(InvalidInput, match="leave repeat_budget out"):
        chosen_by(instance(40, 5, 6, seed=1), Budget.of_tokens(np.full(40, 10), 90), spec)
    with pytest.raises(InvalidInput, match="at least 1"):
        Budget.of_tokens(np.array([3, 0]), 3)


def test_of_equal_features_the_pinned_one_stays() -> None:
    case = instance(60, 5, 8, seed=1)
    pool = case.candidates.clone()
    pool[30] = pool[4]
    pool[31] = pool[4]
    twin = Instance(pool, case.targets, case.unseen)
    found = chosen_by(twin, Budget.of_rows(60, 20, (31,)))
    assert found.indices[0] == 31
    assert not {4, 30} & set(found.indices.tolist())
    both = chosen_by(twin, Budget.of_rows(60, 20, (31, 4)))
    assert both.indices[:2].tolist() == [31, 4]


def test_everything_may_be_pinned() -> None:
    case = instance(60, 5, 8, seed=1)
    found = chosen_by(case, Budget.of_rows(60, 3, (50, 1, 9)))
    assert found.indices.tolist() == [50, 1, 9]
    assert number(found, "gap") == pytest.approx(0.0, abs=1e-6)
