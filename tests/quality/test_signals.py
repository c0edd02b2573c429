"""The area under the curve by its definition."""

import numpy as np
import pytest

from benchmarks.quality.signals import area, summary


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    signal, wrong = rng.integers(0, 6, 60).astype(np.float64), rng.random(60) < 0.3
    pairs = [
        1.0 if bad > good else 0.5 if bad == good else 0.0 for bad in signal[wrong] for good in signal[~wrong]
    ]
    assert area(signal, wrong) == pytest.approx(np.mean(pairs))


def test_a_signal_that_only_knows_the_set_is_a_coin() -> None:
    sets = np.repeat(["a", "b"], 40)
    wrong = np.tile([True, False, False, False], 20)
    wrong[:40:4] = True
    signal = np.where(sets == "a", 1.0, 0.0)
    assert summary(signal, wrong, sets) == {"mean": 0.5, "low": 0.5, "high": 0.5, "sets": 2}
