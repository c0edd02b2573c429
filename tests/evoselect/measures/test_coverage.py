"""How well targets are served, against the whole matrix."""

import numpy as np
import pytest

from evoselect.measures.coverage import coverage, curve, steps
from evoselect.neighbours.both_ways import nearest_both_ways
from tests.evoselect.instances import instance

CASE = instance(150, 9, 16, seed=7)
WHOLE = CASE.candidates.double().numpy() @ CASE.targets.double().numpy().T
MASSES = np.full(9, 1.0 / 9)


def test_both_sides_find_their_nearest() -> None:
    found = nearest_both_ways(CASE.candidates, CASE.targets)
    assert found.target.tolist() == WHOLE.argmax(axis=1).tolist()
    assert found.cosine == pytest.approx(WHOLE.max(axis=1), abs=1e-6)
    assert found.best == pytest.approx(WHOLE.max(axis=0), abs=1e-6)


def test_the_curve_is_the_mean_of_the_best_among_the_first() -> None:
    order, sizes = np.random.default_rng(0).permutation(150)[:40], [1, 2, 10, 40]
    means, last = curve(CASE.candidates, order, CASE.targets, masses=MASSES, sizes=sizes)
    slow = [WHOLE[order[:n]].max(axis=0).mean() for n in sizes]
    assert means == pytest.approx(slow, abs=1e-6)
    mean, best = coverage(CASE.candidates[order], CASE.targets, MASSES)
    assert mean == pytest.approx(means[-1], abs=1e-6)
    assert best == pytest.approx(last, abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 59, 60, 1000])
def test_sizes_rise_from_one_to_k(k: int) -> None:
    found = steps(k)
    assert (found[0], found[-1]) == (1, k)
    assert found == sorted(set(found))
