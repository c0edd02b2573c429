"""Groups of candidates that share a budget, against every set of tiny pools and against their bounds."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.errors import InvalidInput
from evoselect.groups.bounds import Bounds, apportioned
from evoselect.spec.balance import Balance
from evoselect.spec.selection import METHODS, SelectionSpec
from tests.evoselect.instances import instance
from tests.evoselect.test_budget import PLAIN, chosen_by, cost_of, number, tokens_of, transport_of


def thirds(n: int, least: tuple[int, ...], most: tuple[int, ...]) -> Bounds:
    return Bounds(("a", "b", "c"), np.arange(n) % 3, np.array(least), np.array(most))


def within(bounds: Bounds, prices: Ints, rows: Ints) -> bool:
    spent = bounds.spent(prices, rows)
    return bool(((spent >= bounds.least) & (spent <= bounds.most)).all())


@pytest.mark.parametrize("seed", range(4))
def test_a_balanced_choice_is_near_the_best_balanced_set(seed: int) -> None:
    case = instance(12, 4, 5, seed=seed)
    bounds = thirds(12, (2, 0, 1), (3, 1, 5))
    budget = replace(Budget.of_rows(12, 5, (4,) if seed % 2 else ()), bounds=bounds)
    found = chosen_by(case, budget)
    rivals = [
        transport_of(cost_of(case), budget, np.array(rows))
        for rows in itertools.combinations(range(12), 5)
        if within(bounds, budget.prices, np.array(rows)) and set(budget.pinned.tolist()) <= set(rows)
    ]
    assert within(bounds, budget.prices, found.indices)
    assert number(found, "transport_lower_bound") <= min(rivals) + 1e-7
    assert min(rivals) - 1e-7 <= number(found, "transport") <= 1.02 * min(rivals)


@pytest.mark.parametrize("seed", range(6))
def test_a_group_that_has_hardly_more_than_its_least_is_solved(seed: int) -> None:
    case, group = instance(10, 2, 5, seed=seed), np.array([1, 0, 0, 1, 0, 0, 1, 0, 0, 1])
    bounds = Bounds(("web", "book"), group, np.array([4, 2]), np.array([4, 2]))
    budget = replace(Budget.of_rows(10, 6), bounds=bounds)
    found = chosen_by(case, budget)
    assert within(bounds, budget.prices, found.indices)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "dsir"])
@pytest.mark.parametrize("unit", ["rows", "tokens"])
def test_every_method_keeps_the_bounds(method: str, unit: str) -> None:
    case, price = instance(150, 8, 12, seed=3), tokens_of(150, 8)
    budget, bounds = Budget.of_rows(150, 30), thirds(150, (15, 0, 10), (30, 2, 30))
    if unit == "tokens":
        budget, bounds = Budget.of_tokens(price, 4_000), thirds(150, (2_000, 0, 900), (4_000, 300, 4_000))
    found = chosen_by(case, replace(budget, bounds=bounds), SelectionSpec.model_validate({"method": method}))
    assert within(bounds, budget.prices, found.indices)
    assert 0.995 * budget.total <= budget.spent(found.indices) <= budget.total
    said = found.diagnostics["balance"]
    assert isinstance(said, dict)
    assert [group["got"] for group in said.values()] == bounds.spent(budget.prices, found.indices).tolist()


def test_groups_far_from_the_targets_are_reached_in_a_large_pool() -> None:
    """The rows of one group are the farthest of all: no shortlist would hold them."""
    case = instance(6_000, 30, 24, seed=9)
    far = np.argsort((case.candidates @ case.targets.T).amax(dim=1).numpy())[:200]
    group = np.zeros(6_000, dtype=np.int64)
    group[far] = 1
    bounds = Bounds(("near", "far"), group, np.array([0, 40]), np.array([300, 300]))
    found = chosen_by(case, replace(Budget.of_rows(6_000, 300), bounds=bounds), SelectionSpec())
    assert bounds.spent(np.ones(6_000, dtype=np.int64), found.indices).tolist() == [260, 40]
    free = chosen_by(case, Budget.of_rows(6_000, 300), SelectionSpec())
    assert number(found, "gap") > number(free, "gap")
    cosine = (case.candidates @ case.targets.T).amax(dim=1).numpy()
    taken = found.indices[group[found.indices] == 1]
    assert cosine[taken].mean() > cosine[far].mean()


def test_a_group_that_may_have_little_makes_room_for_those_beyond_the_shortlist() -> None:
    case = instance(3_000, 20, 24, seed=9)
    near = np.argsort(-(case.candidates @ case.targets.T).amax(dim=1).numpy())[:1_500]
    group = np.zeros(3_000, dtype=np.int64)
    group[near] = 1
    bounds = Bounds(("far", "near"), group, np.array([0, 0]), np.array([400, 20]))
    found = chosen_by(case, replace(Budget.of_rows(3_000, 400), bounds=bounds), SelectionSpec())
    assert bounds.spent(np.ones(3_000, dtype=np.int64), found.indices).tolist() == [380, 20]


def test_bounds_that_already_hold_change_nothing() -> None:
    case = instance(600, 12, 16, seed=4)
    free = chosen_by(case, Budget.of_rows(600, 60))
    bound = replace(Budget.of_rows(600, 60), bounds=thirds(600, (0, 0, 0), (60, 60, 60)))
    held = chosen_by(case, bound, PLAIN)
    assert number(held, "transport") <= 1.002 * number(free, "transport")
    assert number(held, "transport_lower_bound") == pytest.approx(number(free, "transport_lower_bound"))


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        ((14, 0, 0), (20, 20, 20), "group 'a' has 13 that can be selected, and the least is 14"),
        ((5, 5, 5), (9, 9, 9), "the groups take 15 at least and 27 at most, and the budget is 12"),
        ((0, 0, 0), (3, 3, 3), "0 at least and 9 at most, and the budget is 12"),
        ((4, 0, 0), (3, 20, 20), "the least is 4 and the most 3"),
        ((0, 0, 0), (0, 20, 20), "1 are pinned, and the most is 0"),
    ],
)
def test_bounds_that_no_set_meets_are_refused_with_the_numbers(
    least: tuple[int, ...], most: tuple[int, ...], words: str
) -> None:
    budget = replace(Budget.of_rows(38, 12, (3,)), bounds=thirds(38, least, most))
    with pytest.raises(InvalidInput, match=words):
        chosen_by(instance(38, 5, 6, seed=1), budget)


def test_tokens_that_do_not_fit_a_group_are_said() -> None:
    bounds = Bounds(("a", "b"), np.arange(40) % 2, np.array([95, 0]), np.array([99, 400]))
    budget = replace(Budget.of_tokens(np.full(40, 10), 200), bounds=bounds)
    with pytest.raises(InvalidInput, match="group 'a' got 90 of at least 95"):
        chosen_by(instance(40, 5, 6, seed=1), budget)


def test_shares_are_apportioned_by_largest_remainder() -> None:
    assert apportioned({"a": 1, "b": 1, "c": 1}, ("a", "b", "c"), 10).tolist() == [4, 3, 3]
    assert apportioned({"a": 5, "b": 3, "c": 2}, ("a", "b", "c"), 7).tolist() == [4, 2, 1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"by": "source", "max": {"a": 1}}, "name group, or a column as extra.NAME"),
        ({"by": "extra.", "max": {"a": 1}}, "extra.NAME"),
        ({"by": "group"}, "send shares, or min, max or both"),
        ({"by": "group", "shares": {"a": 1.0}, "max": {"a": 1}}, "send shares, or min"),
        ({"by": "group", "min": {"a": 3}, "max": {"a": 2}}, "min of 'a' is 3 and max is 2"),
        ({"by": "group", "shares": {}}, "at least 1"),
        ({"by": "group", "min": {"a": -1}}, "whole number"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Balance.model_validate(given)
