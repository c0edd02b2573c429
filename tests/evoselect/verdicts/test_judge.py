"""Verdicts, their sentences, what would tell, and which arms stop early."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evoselect.errors import InvalidInput
from evoselect.verdicts.arms import Arm, Floats, Training
from evoselect.verdicts.halving import stop
from evoselect.verdicts.judge import judge
from evoselect.verdicts.planning import ACCURACY, Further, Prior, detectable_gain
from tests.evoselect.verdicts.made import arm, random_arm

QUIET = {"training": 0.01, "question": 0.1}


def compared(gains: dict[str, float], noise: dict[str, float] = QUIET, seed: int = 0) -> list[Arm]:
    """A control and arms with these gains over it, on 200 questions."""
    draw = np.random.default_rng(seed)
    base = draw.uniform(0, 1, 200)
    return [
        random_arm(base, draw, **(noise | {"seeds": 1})),
        *(arm(name, base + gain + draw.normal(0, 0.05, 200), draw, **noise) for name, gain in gains.items()),
    ]


def test_the_best_arm_that_is_proven_better_is_to_be_used() -> None:
    found = judge(compared({"a": 0.2, "b": 0.5, "worse": -0.3}))
    assert (found.outcome, found.arm, found.leader, found.further) == ("use", "b", "b", None)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.gain < found.high
    assert found.sentence() == (
        f"use b (gain {100 * found.gain:+.1f} points, {100 * found.low:.1f} to {100 * found.high:.1f})"
    )
    assert [row.arm for row in found.rows] == ["b", "a", "random", "worse"]
    control, leader = found.rows[2], found.rows[0]
    assert control.against_control is None
    assert leader.against_leader is None
    assert control.against_leader is not None
    assert control.against_leader.value == pytest.approx(-found.gain)


def part(arms: list[Arm], trainings: int) -> list[Arm]:
    """What there is after so many trainings, which end in turns."""
    turns = [arm.name for number in range(9) for arm in arms if number < len(arm.trainings)][:trainings]
    seen = {arm.name: arm.trainings[: turns.count(arm.name)] for arm in arms}
    return [replace(arm, trainings=seen[arm.name]) for arm in arms if seen[arm.name]]


def test_an_interim_verdict_names_no_arm_before_it_and_the_control_have_two_trainings() -> None:
    arms = compared({"a": 0.4, "b": 0.5})  # in turns: random, a, b
    for trainings in (2, 3, 4, 5):
        found = judge(part(arms, trainings), planned=7)
        named = found.arm if found.outcome == "use" else None
        assert named == ("a" if trainings == 5 else None)  # b is ahead of it, with one training
    assert judge(part(arms, 4)).outcome == "use"  # what the rule of the end would have said
    early = judge(part(arms, 4), planned=7)
    assert early.sentence() == "no verdict yet, 4 of 7 trainings are measured"
    assert (early.further, early.further_trainings) == (None, None)
    found, end = judge(part(arms, 6), planned=7), judge(part(arms, 6))
    assert found.low is not None
    assert found.high is not None
    assert end.low is not None
    assert 0 < found.low < end.low
    assert found.sentence() == (
        f"so far b is better than random (gain {100 * found.gain:+.1f} points, {100 * found.low:.1f} to "
        f"{100 * found.high:.1f}, corrected for looking often): 6 of 7 trainings are measured"
    )
    assert (
        judge(part(compared({"a": 0.0}), 4), planned=5).outcome == "not_enough"
    )  # nor that random is as good


def test_a_comparison_of_equals_that_is_looked_at_after_each_training_names_an_arm_in_few() -> None:
    noise = {"training": 0.05, "question": 0.3, "seeds": 3, "draws": 3}

    def named(seed: int, planned: int | None) -> bool:
        arms = compared({"a": 0.0, "b": 0.0, "c": 0.0}, noise, seed)
        looks = (judge(part(arms, trainings), planned=planned) for trainings in range(2, 12))
        return any(look.outcome == "use" for look in looks)

    corrected, before = (np.mean([named(seed, planned) for seed in range(150)]) for planned in (12, None))
    assert corrected <= 0.05 < before  # 0.025 is the bound


def test_random_is_as_good_where_no_interval_reaches_a_gain_worth_it() -> None:
    found = judge(compared({"a": 0.0, "b": -0.01}))
    assert (found.outcome, found.further_trainings) == ("random_is_as_good", None)
    assert found.sentence("nats").startswith("random is as good: the interval is -0.0")
    assert judge(compared({"a": -0.3})).sentence().startswith("random is better: the interval is -3")


def test_one_training_is_no_trainings() -> None:
    found = judge(compared({"a": 0.1}, {"training": 0.05, "question": 0.1}, seed=3))
    alone = replace(found, further=Further(trainings=1, questions=None))
    assert alone.sentence() == "not enough: another 1 training would tell"


def test_not_enough_says_how_many_trainings_would_tell_and_they_do() -> None:
    noise = {"training": 0.05, "question": 0.1}
    found = judge(compared({"a": 0.1}, noise, seed=3))
    assert found.outcome == "not_enough"
    assert found.sentence() == f"not enough: another {found.further_trainings} trainings would tell"
    assert found.further_trainings is not None
    more = found.further_trainings // 2
    told = [
        judge(compared({"a": found.gain}, noise | {"seeds": 2 + more, "draws": 3 + more}, seed=seed)).outcome
        for seed in range(20)
    ]
    assert told.count("use") >= 8  # about half, where the gain is as it seemed


def test_where_questions_are_too_few_it_says_how_many_and_not_trainings() -> None:
    draw = np.random.default_rng(0)
    right: list[Floats] = [draw.binomial(1, share, 40).astype(np.float64) for share in (0.5, 0.6)]
    arms = [Arm(name, [Training(0, values)] * 2) for name, values in zip(("random", "a"), right, strict=True)]
    found = judge(arms)
    assert (found.outcome, found.further_trainings) == ("not_enough", None)
    assert "questions would" in found.sentence()


def test_a_control_of_one_draw_needs_another() -> None:
    one_draw, ours = compared({"a": 0.3}, QUIET | {"draws": 1})
    found = judge([one_draw, ours])
    assert (found.outcome, found.low, found.further_trainings) == ("not_enough", None, 1)


def test_an_arm_that_was_stopped_stays_in_the_table_and_out_of_question() -> None:
    arms = compared({"a": 0.0, "b": 0.2}, {"training": 0.0, "question": 0.02})
    arms[2] = replace(arms[2], stopped=True)
    found = judge(arms)
    assert (found.outcome, found.arm) == ("random_is_as_good", "a")
    assert (found.rows[0].arm, found.rows[0].stopped) == ("b", True)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ([Arm("random", [Training(0, np.ones(3))])], "two arms"),
        ([Arm("random", [Training(0, np.ones(3))]), Arm("a", [])], "'a' has no training"),
        ([Arm(name, [Training(0, np.ones(3))]) for name in ("random", "random")], "names of their own"),
        ([Arm(name, [Training(0, np.ones(3))]) for name in "ab"], "none of the arms"),
        ([Arm(n, [Training(0, np.ones(k))]) for n, k in (("random", 3), ("a", 4))], "same questions"),
        ([Arm(name, [Training(0, np.ones(1))]) for name in ("random", "a")], "two at least"),
        ([Arm(n, [Training(0, np.array([x, 1.0]))]) for n, x in (("random", 0.0), ("a", np.nan))], "finite"),
    ],
)
def test_arms_that_cannot_be_compared_are_refused(arms: list[Arm], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        judge(arms)


def test_the_detectable_gain_falls_with_trainings_and_draws_and_is_shown_as_often_as_said() -> None:
    sizes = [(400, 2, 3, 8), (400, 4, 3, 8), (400, 4, 6, 8), (400, 4, 6, 3)]
    found = [detectable_gain(*size) for size in sizes]
    assert found == sorted(found, reverse=True)
    assert math.isinf(detectable_gain(200, 2, 1, 8))
    assert math.isfinite(detectable_gain(200, 1, 2, 8))
    with pytest.raises(InvalidInput, match="2 questions"):
        detectable_gain(1, 2, 3, 8)
    gain = detectable_gain(200, 4, 6, 3, prior=Prior(question=0.05, training=0.03, draw=0.0))
    noise = {"training": 0.03, "seeds": 4.0, "draws": 6.0}
    shown = [judge(compared({"a": gain, "b": 0.0}, noise, seed)).outcome == "use" for seed in range(150)]
    assert 0.7 <= np.mean(shown) <= 0.9


def test_arms_that_are_worse_beyond_doubt_stop_and_the_control_never_does() -> None:
    arms = compared({"best": 0.3, "worse": -0.3, "near": 0.28})
    assert stop(arms, looks=3) == ["worse"]
    assert stop(compared({"a": 0.3}), looks=1) == []
    gone = [replace(one, stopped=one.name == "best") for one in arms]
    assert stop(gone, looks=3) == ["worse"]
    with pytest.raises(InvalidInput, match="looks"):
        stop(arms, looks=0)


def test_the_best_arm_is_stopped_in_at_most_5_of_100_comparisons_of_equals() -> None:
    lost = 0
    for seed in range(90):
        arms = compared({"a": 0.0, "b": 0.0, "c": 0.0}, {"training": 0.05, "seeds": 4, "draws": 4}, seed)
        for count in (2, 3):
            part = [replace(one, trainings=one.trainings[:count]) for one in arms]
            lost += "a" in stop(part, looks=2)
    assert 0 < lost / 90 <= 0.07


def test_the_prior_is_of_the_size_of_the_noise_that_is_published() -> None:
    assert ACCURACY.training == pytest.approx(0.07, rel=0.2)
