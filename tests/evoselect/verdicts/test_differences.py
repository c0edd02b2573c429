"""Intervals of differences against classical tests where those hold, a bootstrap, and simulated truth."""

import numpy as np
import pytest
from scipy import stats

from evoselect.verdicts.arms import Arm, Floats, Training
from evoselect.verdicts.differences import Noise, difference, parts_of
from tests.evoselect.verdicts.made import arm, random_arm


def test_without_noise_of_trainings_it_is_the_paired_t_test() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.normal(0.3, 1, 50), draw.normal(0, 1, 50)
    arms = [Arm(name, [Training(s, one) for s in range(2)]) for name, one in (("a", first), ("b", second))]
    found = difference(parts_of(arms[0], arms[1], Noise(arms)), 0.05, 1)
    wanted = stats.ttest_rel(first, second)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval()))
    assert found.p == pytest.approx(wanted.pvalue)


def test_without_a_spread_of_questions_it_is_the_t_test_of_the_trainings() -> None:
    draw = np.random.default_rng(1)
    means = draw.normal(0, 1, (2, 4)) + np.array([[0.5], [0.0]])
    arms = [
        Arm(name, [Training(s, np.full(9, mean)) for s, mean in enumerate(own)])
        for name, own in zip("ab", means, strict=True)
    ]
    found = difference(parts_of(arms[0], arms[1], Noise(arms)), 0.05, 1)
    wanted = stats.ttest_ind(*means)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval()))
    assert found.freedom == pytest.approx(6)


def test_the_error_is_that_of_a_bootstrap_over_questions_and_over_units() -> None:
    draw = np.random.default_rng(2)
    ours = arm("ours", draw.normal(0, 0.4, 120), draw, seeds=30, training=0.3, question=0.6)
    control = random_arm(draw.normal(0, 0.4, 120), draw, draws=30, seeds=2, draw=0.2, question=0.6)
    error = difference(parts_of(ours, control, Noise([ours, control])), 0.05, 1).error
    values = []
    for _ in range(1500):
        questions = draw.integers(120, size=120)
        means = [one.units[draw.integers(30, size=30)].mean(0)[questions].mean() for one in (ours, control)]
        values.append(means[0] - means[1])
    assert error == pytest.approx(np.std(values), rel=0.08)


@pytest.mark.parametrize(
    ("training", "random_draw", "question"), [(0.07, 0.03, 0.4), (0.02, 0.09, 0.4), (0.0, 0.0, 0.5)]
)
def test_95_of_100_intervals_hold_the_truth_with_two_seeds_and_three_draws(
    training: float, random_draw: float, question: float
) -> None:
    draw = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        base = draw.normal(0, 0.5, 100)
        arms = [random_arm(base, draw, training=training, draw=random_draw, question=question)] + [
            arm(name, base + draw.normal(0, 0.2, 100), draw, training=training, question=question)
            for name in "abc"
        ]
        found = difference(parts_of(arms[1], arms[0], Noise(arms)), 0.05, 1)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0 <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_a_single_training_takes_the_noise_of_the_others_and_of_draws_where_none_is_repeated() -> None:
    draw = np.random.default_rng(4)
    base = draw.normal(0, 0.5, 100)
    control = random_arm(base, draw, training=0.1, question=0.3)
    single = arm("single", base, draw, seeds=1, training=0.1, question=0.3)
    twice = arm("twice", base, draw, seeds=2, training=0.1, question=0.3)
    alone, beside = Noise([control, single]), Noise([control, single, twice])
    assert alone.trained == alone.drawn
    assert beside.trained.freedom == 1
    assert difference(parts_of(single, control, alone), 0.05, 1).low is not None


def test_one_draw_leaves_the_noise_of_draws_unknown_so_there_is_no_interval() -> None:
    draw = np.random.default_rng(5)
    arms = [random_arm(np.zeros(20), draw, draws=1, seeds=3, training=1), arm("a", np.ones(20), draw)]
    found = difference(parts_of(arms[1], arms[0], Noise(arms)), 0.05, 1)
    assert (found.error, found.low, found.high, found.p) == (None, None, None, None)


def test_equal_answers_everywhere_are_a_sure_difference() -> None:
    arms = [_always("a", 1.0), _always("b", 0.0)]
    found = difference(parts_of(arms[0], arms[1], Noise(arms)), 0.05, 1)
    assert (found.low, found.high, found.p) == (1.0, 1.0, 0.0)


def test_a_family_divides_the_error_and_multiplies_p() -> None:
    draw = np.random.default_rng(6)
    arms = [arm(name, draw.normal(0, 1, 30), draw, training=0.2) for name in "ab"]
    parts = parts_of(arms[0], arms[1], Noise(arms))
    alone, of_five = difference(parts, 0.05, 1), difference(parts, 0.05, 5)
    assert alone.p is not None
    assert of_five.p == pytest.approx(min(1.0, 5 * alone.p))
    assert of_five.low == pytest.approx(difference(parts, 0.01, 1).low)


def _always(name: str, value: float) -> Arm:
    values: Floats = np.full(8, value)
    return Arm(name, [Training(seed, values) for seed in range(2)])
