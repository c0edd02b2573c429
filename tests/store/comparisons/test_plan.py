"""What comes next in a comparison, and when it is over: pure decisions as tables."""

from typing import Any

import pytest

from evoselect.spec.comparison import ComparisonSpec
from store.comparisons.plan import Course, Key, Picked, State, course, faulty, is_over, live, rungs, twins


def spec(*arms: Any, **more: Any) -> ComparisonSpec:
    return ComparisonSpec.model_validate({"k": 4, "arms": arms or ("random", "capacity"), **more})


def key(text: str) -> Key:
    """Such as "2 random.train"."""
    run, name = text.split()
    arm, step = name.rsplit(".", 1)
    return Key(int(run), arm, step)


def state(*done: str, **more: Any) -> State:
    """Completed steps; others by their status, as `running=["1 random.train"]`."""
    statuses = {key(text): "completed" for text in done}
    for status in ("queued", "running", "failed", "cancelled"):
        statuses |= {key(text): status for text in more.pop(status, ())}
    picked = {one: Picked(str(one), 10) for one in statuses if one.step == "select"}
    return State(statuses, {**picked, **more.pop("picked", {})}, **more)


def whole(run: int, *arms: str) -> list[str]:
    return [f"{run} {arm}.{step}" for arm in arms for step in ("train", "evaluate")]


SELECTED = ("1 random.select", "0 capacity.select")


@pytest.mark.parametrize(
    ("now", "begin"),
    [
        (state(), ["1 random.select"]),  # the others find its features in the cache
        (state(running=["1 random.select"]), []),
        (state("1 random.select"), ["0 capacity.select"]),
        (
            state("1 random.select", running=["0 capacity.select"]),
            [],
        ),  # nothing is trained before all selected
        (state(*SELECTED), ["1 random.train", "1 capacity.train", "2 random.select", "2 capacity.train"]),
        (
            state(*SELECTED, *whole(1, "random"), "2 random.select", running=["1 capacity.train"]),
            ["2 random.train", "2 capacity.train"],
        ),
    ],
)
def test_features_first_then_selections_then_every_run(now: State, begin: list[str]) -> None:
    assert course(spec(draws=2), now) == Course([key(text) for text in begin])


def test_arms_with_features_of_their_own_select_beside_the_first() -> None:
    arms = spec("random", "mean_hidden", "capacity", "round_robin")
    assert list(course(arms, state()).begin) == [key("1 random.select"), key("0 mean_hidden.select")]


def test_tokens_are_matched_once_the_guide_has_selected() -> None:
    arms = spec("random", "random_tokens", "capacity")
    features = state("1 random.select")
    assert list(course(arms, features).begin) == [key("0 capacity.select")]
    assert list(course(arms, state(*SELECTED)).begin) == [key("1 random_tokens.select")]
    fallen = state("1 random.select", failed=["0 capacity.select"])
    assert faulty(arms, fallen.statuses) == dict.fromkeys(
        ("random_tokens", "capacity"), key("0 capacity.select")
    )
    assert course(arms, fallen).end == "failed"


def test_the_whole_pool_needs_no_selection() -> None:
    found = course(spec("random", "all", seeds=1, draws=2), state("1 random.select"))
    assert list(found.begin) == [key("1 random.train"), key("1 all.train"), key("2 random.select")]


def test_random_is_drawn_and_trained_more_often_than_others() -> None:
    runs = spec(seeds=2, draws=3)
    done = state(
        *SELECTED, "2 random.select", *whole(1, "random", "capacity"), *whole(2, "random", "capacity")
    )
    assert list(course(runs, done).begin) == [key("3 random.select")]
    assert [runs.runs(arm) for arm in spec(seeds=4, draws=3).compared] == [3, 2]


def test_a_verdict_follows_what_is_measured_and_the_end_follows_the_verdict() -> None:
    once = spec(seeds=1, draws=2)
    drawn = (*SELECTED, "2 random.select", *whole(2, "random"))
    one = state(*drawn, *whole(1, "random"), running=["1 capacity.train"])
    assert course(once, one) == Course([])  # a single arm is compared with nothing
    both = state(*drawn, *whole(1, "random", "capacity"))
    assert course(once, both) == Course([], judge=True)
    assert course(once, State(both.statuses, both.picked, judged=3)) == Course([], end="trained")


def test_what_is_over_by_an_interim_verdict_is_judged_once_more() -> None:
    once = spec(seeds=1, draws=2)
    early = state(*SELECTED, "2 random.select", *whole(1, "random", "capacity"), running=["2 random.train"])
    assert not is_over(once, early)
    late = state(*SELECTED, "2 random.select", *whole(1, "random", "capacity"), *whole(2, "random"))
    assert is_over(once, late)
    interim = State(late.statuses, late.picked, judged=3, interim=True)
    assert course(once, interim) == Course([], judge=True)
    assert is_over(once, interim)
    fallen = state(
        *SELECTED, "2 random.select", *whole(1, "random", "capacity"), failed=["2 random.train"]
    )  # what makes it over is no evaluation
    assert course(once, State(fallen.statuses, fallen.picked, judged=2, interim=True)) == Course(
        [], judge=True
    )


def test_arms_that_selected_the_same_rows_are_trained_on_once() -> None:
    arms = spec("random", "less", "capacity", seeds=1, draws=2)
    same = {key("0 less.select"): Picked("x", 10), key("0 capacity.select"): Picked("x", 10)}
    now = state(*SELECTED, "0 less.select", picked=same)
    assert twins(arms, now.picked) == {"capacity": "less"}
    assert [arm.name for arm in live(arms, now)] == ["random", "less"]
    first = [key("1 random.train"), key("1 less.train"), key("2 random.select")]
    assert list(course(arms, now).begin) == first
    alike = {**same, key("1 random.select"): Picked("x", 10)}
    assert course(arms, state(*SELECTED, "0 less.select", picked=alike)) == Course([], end="same_rows")


@pytest.mark.parametrize("way", [{"successive_halving": True}, {"trainings": 99}, {"minutes": 99.0}])
def test_where_it_may_end_early_a_run_is_over_before_the_next(way: dict[str, Any]) -> None:
    rungs = spec(draws=2, **way)
    assert list(course(rungs, state(*SELECTED)).begin) == [key("1 random.train"), key("1 capacity.train")]
    half = state(*SELECTED, *whole(1, "random"), running=["1 capacity.evaluate", "1 capacity.train"])
    assert course(rungs, half) == Course([])
    over = state(*SELECTED, *whole(1, "random", "capacity"))
    assert course(rungs, over) == Course([], judge=True)  # who is out is asked before more is trained
    judged = State(over.statuses, over.picked, judged=2)
    assert list(course(rungs, judged).begin) == [key("2 random.select"), key("2 capacity.train")]


def test_a_rung_has_a_part_of_what_is_drawn_more_often() -> None:
    more = spec(seeds=2, draws=3, minutes=99.0)
    first = ["1 random.train", "1 capacity.train", "2 random.select"]
    assert list(course(more, state(*SELECTED)).begin) == [key(text) for text in first]
    once = (*SELECTED, *whole(1, "random", "capacity"))
    assert course(more, state(*once, judged=2)) == Course([key("2 random.select")])
    twice = (*once, "2 random.select", *whole(2, "random"))
    second = ["2 capacity.train", "3 random.select"]
    assert list(course(more, state(*twice, judged=3)).begin) == [key(text) for text in second]
    many = spec(seeds=3, draws=8)
    assert [[one.run for one in rung] for rung in rungs(many, many.compared)] == [
        [1, 1, 2, 3],
        [2, 4, 5, 6],
        [3, 7, 8],
    ]


def test_arms_that_are_out_get_no_further_run_and_the_last_one_ends_it() -> None:
    arms = spec("random", "less", "capacity", draws=2, successive_halving=True)
    done = state(*SELECTED, "0 less.select", *whole(1, "random", "less", "capacity"))
    two = State(done.statuses, done.picked, judged=3, out=frozenset({"less"}))
    assert [one.arm for one in course(arms, two).begin] == ["random", "capacity"]
    one = State(done.statuses, done.picked, judged=3, out=frozenset({"less", "random"}))
    assert course(arms, one) == Course([], end="decided")


@pytest.mark.parametrize(
    ("budget", "spent", "end"),
    [
        ({"trainings": 4}, {}, None),
        ({"trainings": 3}, {}, "trainings"),
        ({"minutes": 10.0}, {"seconds": 300.0, "pace": 140.0}, None),
        ({"minutes": 10.0}, {"seconds": 300.0, "pace": 160.0}, "minutes"),
    ],
)
def test_a_budget_ends_it_before_a_run_that_would_exceed_it(
    budget: dict[str, Any], spent: dict[str, Any], end: str | None
) -> None:
    over = state(*SELECTED, *whole(1, "random", "capacity"))
    found = course(spec(draws=2, **budget), State(over.statuses, over.picked, judged=2, **spent))
    assert (found.end, bool(found.begin)) == (end, end is None)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_arm_that_falls_takes_no_other_with_it(status: str) -> None:
    three = spec("random", "less", "capacity", seeds=1, draws=2)
    drawn = (*SELECTED, "2 random.select", *whole(1, "random"), *whole(2, "random"))
    fallen = state(*drawn, "0 less.select", **{status: ["1 less.train"]})
    assert list(course(three, fallen).begin) == [key("1 capacity.train")]
    without_random = state(*SELECTED, "0 less.select", **{status: ["1 random.train"]})
    assert course(three, without_random) == Course([], end="failed")  # gains are told against it
    last = state(*drawn, **{status: ["1 capacity.train"]})
    assert course(spec(seeds=1, draws=2), last) == Course([], end="failed")
