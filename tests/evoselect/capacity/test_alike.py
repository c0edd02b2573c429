"""What is alike at one lambda, taken from a larger one's, is what is found anew."""

import numpy as np
import pytest
import torch

from evoselect.budget import Budget
from evoselect.capacity import optimum, shortlist
from evoselect.capacity.alike import compared
from evoselect.redundancy.diversity import BRUTE_ROWS, bandwidth
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Task
from tests.evoselect.instances import instance

CASE = instance(9_000, 30, 32, seed=3, twins=0.3)


@pytest.mark.parametrize(("margin", "in_cells"), [(0.05, False), (0.3, True), (0.5, True)])
def test_some_candidates_are_a_part_of_all(margin: float, in_cells: bool) -> None:
    """Few enough to look at all pairs, and so many that twins are looked for in cells, as among all."""
    listed = shortlist.build(CASE.pool, CASE.targets, 1_500)
    g, budget = (
        shortlist.build(CASE.pool, CASE.targets, 50).radius,
        Budget.of_rows(len(listed.candidates), 100),
    )
    every, near = (shortlist.narrowed(listed, g, most, budget) for most in (0.5, margin))
    assert (len(near.candidates) > BRUTE_ROWS) == in_cells
    s = bandwidth(CASE.pool, CASE.targets)
    part, alone = compared(CASE.pool, every, g, s).of(near, g, s), compared(CASE.pool, near, g, s)
    assert part.rows[torch.from_numpy(part.place)].equal(alone.rows)
    assert np.array_equal(part.graph.indptr, alone.graph.indptr)
    assert np.array_equal(part.graph.indices, alone.graph.indices)
    assert np.array_equal(part.graph.data, alone.graph.data)
    assert alone.graph.nnz


def test_a_point_of_the_curve_is_that_of_its_own_graph() -> None:
    task = Task(CASE.pool, CASE.targets, 1_500, 0, np.full(30, 1.0 / 30), SelectionSpec())
    found = optimum.relax(task)
    wide, at = optimum.alike(task.with_settings(lam=10.0), found), task.with_settings(lam=1.0)
    shared, alone = optimum.at_lambda(at, found, wide), optimum.at_lambda(at, found)
    assert shared.relaxed.transport == pytest.approx(alone.relaxed.transport, abs=1e-9)
    assert np.allclose(shared.relaxed.weights, alone.relaxed.weights, atol=1e-9)
