"""What a comparison can afford: pure decisions."""

import re
from dataclasses import replace
from typing import Any

import pytest

from evoselect.spec.comparison import ComparisonSpec
from service.comparisons.planning import afforded, gain, spending
from store.comparisons.costs import Costs
from store.errors import Invalid

COSTS = Costs(
    features=120.0,
    selection=6.0,
    training=60.0,
    whole=300.0,
    evaluation=30.0,
    rows=4,
    pool_rows=40,
    measured=True,
    workers=1,
)


def spec(**more: Any) -> ComparisonSpec:
    return ComparisonSpec.model_validate({"k": 4, "arms": ["random", "capacity"], **more})


def fitted(asked: ComparisonSpec, *, whole: bool = True) -> ComparisonSpec:
    return afforded(asked, COSTS, "accuracy", 300, whole=whole)


def test_what_is_planned_and_what_it_costs() -> None:
    whole = spec(arms=["random", "capacity", "all"], seeds=2, draws=3)
    assert whole.planned_trainings == 7
    spent = spending(whole, COSTS)
    assert (spent.features, spent.select, spent.train, spent.evaluate) == (120.0, 24.0, 900.0, 210.0)
    assert spent.minutes == pytest.approx(20.9)


def test_workers_share_what_may_run_side_by_side() -> None:
    """Trainings with their evaluations take 90 s, on the whole pool 330 s."""
    pair = replace(COSTS, workers=2)
    whole = spec(arms=["random", "capacity", "all"], seeds=2, draws=3)
    assert spending(whole, COSTS).clock == 120 + 24 + 5 * 90 + 2 * 330
    assert spending(whole, pair).clock == 60 + 24 + (90 + 90 + 90 + 330)  # the other one has 90 + 330 + 90
    rounds = spec(arms=["random", "capacity", "all"], seeds=2, draws=3, minutes=60.0)
    assert spending(rounds, pair).clock == 60 + 24 + (90 + 330) + 330  # each waits for its last
    assert spending(whole, pair).train == spending(whole, COSTS).train
    assert afforded(spec(minutes=9.0), pair, "accuracy", 300, whole=True).planned_trainings == 5
    assert fitted(spec(minutes=9.0)).planned_trainings == 4


def test_without_a_budget_everything_is_as_asked() -> None:
    assert fitted(spec(seeds=5)) == spec(seeds=5)
    assert [arm.name for arm in fitted(ComparisonSpec(k=4)).compared][-1] == "capacity"


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"trainings": 5}, (2, 3)),
        ({"trainings": 4}, (2, 2)),  # sees less than half of what one training and three draws see
        ({"minutes": 9.0}, (2, 2)),
    ],
)
def test_a_budget_goes_to_what_sees_the_smallest_gain(
    budget: dict[str, Any], expected: tuple[int, int]
) -> None:
    found = fitted(spec(**budget))
    assert (found.seeds, found.draws) == expected
    smaller = [
        gain(spec(seeds=seeds, draws=draws), "accuracy", 300) for seeds, draws in ((1, 2), (2, 2), (2, 3))
    ]
    assert smaller == sorted(smaller, reverse=True)


def test_the_whole_pool_joins_the_default_where_the_budget_has_room() -> None:
    assert fitted(ComparisonSpec(k=4, minutes=60.0)).compared[-1].name == "all"
    assert fitted(ComparisonSpec(k=4, minutes=60.0), whole=False).compared[-1].name == "capacity"
    assert fitted(ComparisonSpec(k=4, minutes=20.0)).compared[-1].name == "capacity"
    assert fitted(ComparisonSpec(k=4)).compared[-1].name == "capacity"


@pytest.mark.parametrize(
    ("budget", "said", "pointer"),
    [
        (
            {"trainings": 3},
            "trainings is 3, too little for any verdict: 2 arms need 4 trainings",
            "/trainings",
        ),
        (
            {"minutes": 3.0},
            "minutes is 3, too little for any verdict: 2 arms need 4 trainings, about 9",
            "/minutes",
        ),
    ],
)
def test_too_little_for_any_verdict_is_refused_with_the_least_that_would_do(
    budget: dict[str, Any], said: str, pointer: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(said)) as refused:
        fitted(spec(**budget))
    assert (refused.value.code, refused.value.pointer) == ("budget_too_small", pointer)
    assert "about 9 min of one worker" in refused.value.detail
    least = {"trainings": 4} if "trainings" in budget else {"minutes": 9.0}
    assert fitted(spec(**least)).planned_trainings == 4
