"""Intervals against theory, and their coverage against the truth."""

import numpy as np
import pytest
from scipy import stats

from evoselect.measures.intervals import bootstrap, paired


def test_an_interval_is_that_of_the_normal_theory_where_that_holds() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    found = bootstrap(values.tolist())
    assert found is not None
    half = 1.96 * values.std() / 20
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.015)


def test_the_truth_lies_inside_about_95_times_of_100() -> None:
    draw = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        found = bootstrap(draw.binomial(1, 0.4, size=80).astype(float).tolist(), seed=trial)
        assert found is not None
        inside += found[0] <= 0.4 <= found[1]
    assert 0.92 <= inside / 200 <= 0.98


def test_a_paired_test_agrees_with_the_t_test_and_sees_what_an_unpaired_one_cannot() -> None:
    draw = np.random.default_rng(2)
    hard = draw.normal(0, 5, size=100)  # questions differ far more than models
    first, second = hard + draw.normal(0, 0.3, 100), hard - 0.1 + draw.normal(0, 0.3, 100)
    found = paired(first.tolist(), second.tolist())
    assert found is not None
    assert found.p_value == pytest.approx(stats.ttest_rel(second, first).pvalue, abs=0.01)
    assert stats.ttest_ind(second, first).pvalue > 0.5
    assert found.interval[1] < 0 < found.n
    same = paired(first.tolist(), first.tolist())
    assert same is not None
    assert (same.difference, same.p_value) == (0.0, 1.0)


def test_little_data_say_nothing() -> None:
    assert bootstrap([1.0]) is None
    assert paired([1.0], [2.0]) is None
    with pytest.raises(ValueError, match="got 2 and 1 values"):
        paired([1.0, 2.0], [1.0])
