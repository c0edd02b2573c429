"""Whole candidates from the linear programme's shares: as many around every target as ship there."""

import numpy as np

from benchmarks.instances import synthetic
from evoselect.budget import Budget
from evoselect.capacity import rounding, whole
from evoselect.capacity.shortlist import build
from evoselect.pools.pool import Pool
from evoselect.transport import exact_transport

N, M, D, K = 1_500, 40, 16, 100  # k / M is 2.5: half of every target's third candidate
MODES = 4
MANY = 160  # targets, so that each of the nearest of one is of its mode


def test_targets_of_a_mode_are_neighbours() -> None:
    """In the order each mode is one run."""
    case = synthetic(N, MANY, 64, seed=3, modes=MODES, spread=0.3, balance=100.0)
    order = whole.neighbour_order(case.targets)
    assert sorted(order) == list(range(MANY))
    named = np.array(case.groups)[order]
    assert int((named[1:] != named[:-1]).sum()) + 1 == len(set(named))


def test_every_mode_gets_its_share() -> None:
    """Of the rows that ship to a mode's targets about as many are taken as ship there; ties do not decide."""
    case = synthetic(N, M, D, seed=3, modes=MODES, spread=0.5)
    pool, budget, masses = Pool.of(case.candidates), Budget.of_rows(N, K), np.full(M, 1.0 / M)
    listed = build(pool, case.targets, 200)
    own = budget.among(listed.candidates)
    programme = rounding.relaxed_optimum(listed, masses, own, np.zeros(M))
    partial = whole.shares(programme, own)
    assert int(((partial > 0.01) & (partial < 0.99)).sum()) >= 15
    chosen = whole.round_programme(programme, own, np.zeros(len(partial)), case.targets)
    assert len(chosen) == K
    most = np.asarray(programme.plan.argmax(axis=1)).ravel()
    mode = np.array([int(name) for name in case.groups or []])[most]
    for one in set(mode):
        assert abs(int((mode[chosen] == one).sum()) - float(partial[mode == one].sum())) < 2.0
    largest = np.sort(np.lexsort((np.arange(len(partial)), -np.round(partial, 6)))[:K])
    costs = [
        exact_transport(pool.gather(listed.candidates[rows]), case.targets, masses).cost
        for rows in (chosen, largest)
    ]
    assert costs[0] < costs[1]
