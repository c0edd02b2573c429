"""What is alike at one lambda, taken from a larger one's, is what is found anew."""

import numpy as np
import pytest

from evoselect.budget import Budget
from evoselect.capacity import optimum, shortlist
from evoselect.capacity.alike import compared
from evoselect.redundancy.diversity import BRUTE_ROWS, bandwidth
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Task
from tests.evoselect.instances import instance

CASE = instance(9_000, 30, 32, seed=3, twins=0.3)


@pytest.mark.parametrize(("least", "most"), [(0, 1_000), (1_000, BRUTE_ROWS), (BRUTE_ROWS, 9_000)])
def test_some_candidates_are_a_part_of_all(least: int, most: int) -> None:
    """Some few enough to look at all pairs, and some that are looked for in cells as all are."""
    listed = shortlist.build(CASE.pool, CASE.targets, 400)
    g, s = np.sort(listed.radius)[::-1], bandwidth(CASE.pool, CASE.targets)
    wide, budget = compared(CASE.pool, listed, g, s), Budget.of_rows(len(listed.candidates), 100)
    assert len(wide.place) > BRUTE_ROWS
    sizes = []
    for margin in (-0.1, 0.0, 0.1, 0.2, 0.3):
        near = shortlist.narrowed(listed, g, margin, budget)
        sizes.append(len(near.candidates))
        if not least < sizes[-1] <= most:
            continue
        part, alone = wide.of(near, g, s), compared(CASE.pool, near, g, s)
        assert part.rows[part.place].equal(alone.rows)
        assert np.array_equal(part.graph.indices, alone.graph.indices)
        assert np.array_equal(part.graph.indptr, alone.graph.indptr)
        assert np.array_equal(part.graph.data, alone.graph.data)
        assert alone.graph.nnz
        return
    pytest.fail(f"no margin lists {least} to {most} candidates: {sizes}")


def test_a_point_of_the_curve_is_that_of_its_own_graph() -> None:
    task = Task(CASE.pool, CASE.targets, 1_500, 0, np.full(30, 1.0 / 30), SelectionSpec())
    found = optimum.relax(task)
    wide, at = optimum.alike(task.with_settings(lam=10.0), found), task.with_settings(lam=1.0)
    shared, alone = optimum.at_lambda(at, found, wide), optimum.at_lambda(at, found)
    assert shared.relaxed.transport == pytest.approx(alone.relaxed.transport, abs=1e-9)
    assert np.allclose(shared.relaxed.weights, alone.relaxed.weights, atol=1e-9)
