"""What comes next in a loop, and when it ends: pure decisions as tables."""

from typing import Any

import pytest

from evoselect.spec.loop import LoopSpec
from store.loops import plan as loop_plan
from store.loops.plan import RANDOM, SELECTED, Spent
from store.loops.results import Verdict


def spec(**more: Any) -> LoopSpec:
    return LoopSpec.model_validate({"generator": {"kind": "push"}, "k": 2, **more})


def done(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "completed")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, [(SELECTED, "select")]),
        ({"select": "running"}, []),
        (done("select"), [(SELECTED, "train"), (RANDOM, "select")]),
        ({**done("select", "random.select"), "train": "queued"}, [(RANDOM, "train")]),
        (done("select", "train", "random.select"), [(SELECTED, "evaluate"), (RANDOM, "train")]),
        (done("select", "train", "evaluate", "random.select", "random.train", "random.evaluate"), []),
    ],
)
def test_each_arm_goes_step_by_step(statuses: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert loop_plan.due(spec(random_arm=True), 1, statuses) == expected


def test_without_a_random_arm_nothing_is_drawn() -> None:
    assert loop_plan.due(spec(), 1, done("select")) == [(SELECTED, "train")]
    assert loop_plan.is_over(spec(), 1, done("select", "train", "evaluate"))
    assert not loop_plan.is_over(spec(random_arm=True), 1, done("select", "train", "evaluate"))


def test_arms_are_compared_by_the_choices_where_there_are_any() -> None:
    with_choices: dict[str, dict[str, Any]] = {
        SELECTED: {"choice_cross_entropy": 1.0, "answer_nll": 5.0},
        RANDOM: {"choice_cross_entropy": 1.5, "answer_nll": 1.0},
    }
    assert loop_plan.verdict(with_choices) == Verdict(loss="choice_cross_entropy", gain=0.5)
    without: dict[str, dict[str, Any]] = {
        SELECTED: {"choice_cross_entropy": None, "answer_nll": 5.0},
        RANDOM: {"answer_nll": 4.0},
    }
    assert loop_plan.verdict(without) == Verdict(loss="answer_nll", gain=-1.0)
    assert loop_plan.verdict({SELECTED: {"answer_nll": 5.0}}) == Verdict(loss="answer_nll", gain=None)


@pytest.mark.parametrize(
    ("more", "gains", "spent", "expected"),
    [
        ({"rounds": 2}, [0.1], Spent(), None),
        ({"rounds": 2}, [0.1, 0.1], Spent(), "rounds"),
        ({"stop": {"patience": 2}}, [0.1, -0.1], Spent(), None),
        ({"stop": {"patience": 2}}, [0.1, -0.1, 0.0], Spent(), "no_gain"),
        ({"stop": {"patience": 1, "min_gain": 0.2}}, [0.1], Spent(), "no_gain"),
        ({"stop": {"patience": 1}}, [None], Spent(), None),
        ({"stop": {"seconds": 60}}, [0.1], Spent(seconds=60.0), "budget_seconds"),
        ({"stop": {"trained_examples": 9}}, [0.1], Spent(trained_examples=9), "budget_trained_examples"),
        ({"stop": {"trained_examples": 9}}, [0.1], Spent(trained_examples=8), None),
        ({"stop": {"generated_tokens": 9}}, [0.1], Spent(generated_tokens=10), "budget_generated_tokens"),
        ({"stop": {"cost": 0.5}}, [0.1], Spent(cost=0.5), "budget_cost"),
    ],
)
def test_when_a_loop_ends(
    more: dict[str, Any], gains: list[float | None], spent: Spent, expected: str | None
) -> None:
    settings = spec(random_arm=True, **{"rounds": 9, **more})
    assert loop_plan.stop_reason(settings, gains, spent) == expected


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k is 2 and ratio is 0\.5: send exactly one"):
        spec(ratio=0.5)
    with pytest.raises(ValueError, match="set random_arm to true"):
        spec(stop={"patience": 1})
    with pytest.raises(ValueError, match="leave kind and checkpoints out"):
        spec(features={"kind": "provided"})
