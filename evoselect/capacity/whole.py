"""From the linear programme's shares to whole candidates (ours).

Most candidates ship all of their cap or nothing. Of the others about as many are taken around every target as
they ship there: targets are put in an order in which similar ones are neighbours, shares are added up in that
order, and a candidate is taken wherever the sum passes half a candidate more (systematic sampling, Madow and
Madow 1944). So no run of neighbouring targets gets one candidate more or less than its share.
"""

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components, depth_first_order, minimum_spanning_tree
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.neighbours.search import search
from evoselect.transport import Transport

SHARE_DIGITS = 6  # of a candidate's mass, in caps: below is rounding of the simplex
NEIGHBOURS = 8  # of each target in the graph that orders targets


def round_programme(programme: Transport, budget: Budget, score: Floats, targets: Tensor) -> Ints:
    """Positions (c,), ascending, of candidates that spend the budget by what they ship in the programme.

    score (n,): ties go by it; targets (M, d) unit rows. Budgets that count anything but rows, and those with
    bounds, take the largest shares first.
    """
    shipped = np.round(shares(programme, budget), SHARE_DIGITS)
    if budget.uniform and budget.bounds is None:
        partial = np.flatnonzero((shipped > 0.0) & (shipped < 1.0))
        if len(partial):
            shipped[partial] += _taken(programme.plan[partial].tocsr(), shipped[partial], targets)
    order = np.lexsort((np.arange(len(score)), -score, -shipped))
    return np.sort(budget.fill(order))


def _taken(plan: scipy.sparse.csr_array, shipped: Floats, targets: Tensor) -> Floats:
    """(p,) 1 for those to take of p candidates with a plan (p, M) and shares ``shipped`` (p,), else -1."""
    rank = np.empty(len(targets), dtype=np.int64)
    rank[neighbour_order(targets)] = np.arange(len(targets))
    most = np.asarray(plan.argmax(axis=1)).ravel()
    order = np.lexsort((np.arange(len(shipped)), rank[most]))
    passed = np.floor(np.cumsum(shipped[order]) + 0.5)
    taken = np.empty(len(shipped))
    taken[order] = np.where(np.diff(passed, prepend=0.0) > 0.0, 1.0, -1.0)
    return taken


def neighbour_order(targets: Tensor) -> Ints:
    """(M,) the targets (M, d), depth first along a spanning tree of their nearest neighbours."""
    m = len(targets)
    likeness, near = search(targets, targets, min(m, NEIGHBOURS + 1))
    row = np.repeat(np.arange(m), near.shape[1])
    apart = np.maximum(2.0 - likeness.double().numpy().ravel(), 1e-9)  # a stored 0 is no edge
    graph = scipy.sparse.csr_array((apart, (row, near.numpy().ravel())), shape=(m, m))
    tree = minimum_spanning_tree(graph.maximum(graph.T))
    _, part = connected_components(tree, directed=False)
    first = np.flatnonzero(np.diff(np.sort(part), prepend=-1))
    starts = np.argsort(part, kind="stable")[first]
    return np.concatenate(
        [depth_first_order(tree, start, directed=False, return_predecessors=False) for start in starts]
    ).astype(np.int64)


def is_vertex(programme: Transport, budget: Budget) -> bool:
    """Whether every candidate ships all of its cap or nothing: then the solution is a set of candidates."""
    own = shares(programme, budget)
    return bool((np.minimum(own, 1.0 - own) <= 10.0**-SHARE_DIGITS).all())


def shares(programme: Transport, budget: Budget) -> Floats:
    """(n,) how much of its cap each candidate ships."""
    return np.asarray(programme.plan.sum(axis=1)).ravel() / budget.caps
