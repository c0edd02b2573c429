"""Group masses for mode ``max``: the worst-served group is served as well as the budget allows (ours)."""

import numpy as np
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity import rounding, shortlist
from evoselect.groups.masses import spread
from evoselect.pools.pool import Pool
from evoselect.spec.listing import first_width

ROUNDS = 12
LEAST_SHARE = 0.25  # of an equal share: no group is starved to make its few items closer
STEP = 2.0  # on the relative excess of a group's mean transport


def balanced_shares(pool: Pool, targets: Tensor, groups: Ints, budget: Budget) -> Floats:
    """(G,) shares that lower the largest mean transport of a group.

    By multiplicative weights on the relaxed problem.

    pool (N, d) and targets (M, d) unit rows, groups (M,) numbers from 0. A group with a smaller share needs
    fewer candidates and finds them closer, so the worst-served group gives some up.
    """
    count = int(groups.max()) + 1
    shares = np.full(count, 1.0 / count)
    width = first_width(pool.shape[0], targets.shape[0], budget.count)
    listed = shortlist.build(pool, targets, width)
    listed = shortlist.with_rows(listed, pool, targets, budget.pinned)
    own = budget.among(listed.candidates)
    best, least, price = shares, np.inf, np.minimum(listed.radius, shortlist.MOST)
    for _ in range(ROUNDS):
        masses = spread(shares, groups)
        plan = rounding.relaxed_optimum(listed, masses, own, price)
        price = plan.g
        moved = np.asarray(plan.plan.multiply(listed.cost.T).sum(axis=0)).ravel()
        mean = np.bincount(groups, moved, minlength=count) / shares
        if mean.max() < least:
            best, least = shares, float(mean.max())
        shares = shares * np.exp(-STEP * (mean / mean.mean() - 1.0))
        shares = np.maximum(shares / shares.sum(), LEAST_SHARE / count)
        shares = shares / shares.sum()
    return best
