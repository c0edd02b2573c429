"""From capped weights to exactly k candidates, and the certificate of what that cost (ours).

round_weights   keep the settled weights, choose among the fractional ones by exact transport of the residual
mass exchange        swap chosen against open candidates while the objective of the k-subset falls
lower_bound     what no k-subset can undercut
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.capacity import CapacitySolution, Problem, plan_of
from evoselect.features import gather
from evoselect.shortlist import Floats, Ints, Shortlist
from evoselect.transport import Transport, over_edges, scaled_transport

SETTLED = 0.01  # a weight within 1 % of 0 or of the cap is settled; the transport decides about the rest
MAX_EXCHANGES = 60  # transports that the exchange may solve,
EXCHANGE_EDGES = 2_000_000  # and the edges that they may have all together
SINGLES = 8  # leaving and entering candidates whose pairs are tried one by one
MIN_GAIN = 1e-9


@dataclass(frozen=True)
class Rounded:
    """k positions in the shortlist, the transport they carry over its edges, and the objective."""

    chosen: Ints  # (k,) positions in shortlist.candidates, ascending
    transport: Transport
    objective: float  # OT + (lambda / 2) k w'Kw of the uniform measure on ``chosen``
    exchanges: int  # transports solved while exchanging


def relaxed_optimum(shortlist: Shortlist, masses: Floats, k: int) -> Transport:
    """The linear programme of lambda = 0 on the shortlist: every candidate ships at most 1/k."""
    n = len(shortlist.candidates)
    return over_edges(shortlist.cost.T.tocsr(), np.full(n, 1.0 / k), masses, may_keep=np.arange(n))


def lower_bound(shortlist: Shortlist, masses: Floats, k: int, g: Floats) -> float:
    """Lower bound of OT(S, b) for EVERY k-subset S of all candidates, from any potentials (weak duality).

    LB = sum_j b_j g_j + (1/k) sum_i min(0, min_j(C_ij - g_j)); g is first cut to the radius, so that no
    candidate outside the shortlist has a negative term.
    """
    g = np.minimum(g, shortlist.radius)
    return float(masses @ g + np.minimum(reduced_cost(shortlist, g), 0.0).sum() / k)


def reduced_cost(shortlist: Shortlist, g: Floats) -> Floats:
    """(n,) min_j (C_ij - g_j) over the listed edges of every candidate."""
    cost = shortlist.cost
    reduced = cost.data - np.repeat(g, np.diff(cost.indptr))
    columns = scipy.sparse.csr_array((reduced, cost.indices, cost.indptr), cost.shape).tocsc()
    return np.asarray(np.minimum.reduceat(columns.data, columns.indptr[:-1]))


def round_weights(problem: Problem, solution: CapacitySolution) -> Ints:
    """(k,) positions, ascending: the settled weights, then the choice of the residual transport."""
    scaled = solution.weights * problem.k
    score = solution_score(solution)
    settled = best(score, np.flatnonzero(scaled >= 1.0 - SETTLED), problem.k)
    missing = problem.k - len(settled)
    open_ = np.setdiff1d(np.flatnonzero(scaled > SETTLED), settled)
    if len(open_) <= missing:
        rest = np.setdiff1d(np.arange(len(scaled)), np.concatenate([settled, open_]))
        added = np.concatenate([open_, best(score, rest, missing - len(open_))])
    else:
        added = best(_residual_choice(problem, solution, settled, open_) + 0.0, open_, missing)
    return np.sort(np.concatenate([settled, added]))


def solution_score(solution: CapacitySolution) -> Floats:
    """(n,) how wanted a candidate is, in cost: eps log of the weight that it would take without its cap."""
    return np.asarray(solution.epsilon * np.log(np.maximum(solution.weights, 1e-300)) - solution.state.a)


def best(score: Floats, among: Ints, count: int) -> Ints:
    """The ``count`` positions in ``among`` of largest ``score`` (n,), ties by index."""
    return np.asarray(among[np.lexsort((among, -score[among]))[:count]])


def exchange(problem: Problem, chosen: Ints, enough: float) -> Rounded:
    """Swap chosen against open candidates, many at a time, as long as the objective falls.

    The potentials of the current transport price every candidate: a swap of i for c changes the objective by
    at least (h_c - h_i) / k to first order. A batch that does not help is halved; once single swaps are left,
    they are tried in the order of their promise. Reaching ``enough`` ends the search.
    """
    current = evaluate(problem, chosen)
    batch, place, solved = problem.k, 0, 1
    allowed = min(MAX_EXCHANGES, EXCHANGE_EDGES // problem.shortlist.cost.nnz)
    while solved < allowed and current.objective > enough:
        leaving, entering = _swaps(problem, current, batch, place)
        if not len(leaving):
            break
        trial = evaluate(problem, _swapped(current.chosen, leaving, entering))
        solved += 1
        if trial.objective < current.objective - MIN_GAIN:
            current, place = trial, 0
        elif len(leaving) > 1:
            batch = len(leaving) // 2
        else:
            batch, place = 1, place + 1
    return replace(current, exchanges=solved)


def estimate(
    pool: Tensor, targets: Tensor, problem: Problem, solution: CapacitySolution, chosen: Ints
) -> Rounded:
    """The transport of ``chosen`` by scaling the plan, for problems whose exact transport is too large."""
    shortlist = problem.shortlist
    rows = gather(pool, torch.from_numpy(shortlist.candidates[chosen]))
    kernel = plan_of(shortlist, replace(solution.state, c=np.zeros_like(solution.state.c)), solution.epsilon)
    columns = kernel.T.tocsr()[chosen]
    carried = scaled_transport(columns, shortlist.cost.T.tocsr()[chosen], problem.masses, rows, targets)
    weights = np.zeros(len(shortlist.candidates))
    weights[chosen] = 1.0 / problem.k
    redundancy = 0.5 * problem.lam * float(weights @ problem.redundancy(weights))
    return Rounded(chosen, carried, carried.cost + redundancy, 0)


def _swapped(chosen: Ints, leaving: Ints, entering: Ints) -> Ints:
    return np.sort(np.concatenate([np.setdiff1d(chosen, leaving), entering]))


def evaluate(problem: Problem, chosen: Ints) -> Rounded:
    """The transport and the objective of the uniform measure on ``chosen``."""
    supply = np.full(problem.k, 1.0 / problem.k)
    carried = over_edges(problem.shortlist.cost.T.tocsr()[chosen], supply, problem.masses)
    weights = np.zeros(len(problem.shortlist.candidates))
    weights[chosen] = 1.0 / problem.k
    redundancy = 0.5 * problem.lam * float(weights @ problem.redundancy(weights))
    return Rounded(chosen, carried, carried.cost + redundancy, 1)


def _swaps(problem: Problem, current: Rounded, count: int, place: int) -> tuple[Ints, Ints]:
    """At most ``count`` (leaving, entering) positions, best first; single swaps from ``place`` on."""
    weights = np.zeros(len(problem.shortlist.candidates))
    weights[current.chosen] = 1.0 / problem.k
    price = reduced_cost(problem.shortlist, current.transport.g) + problem.lam * problem.redundancy(weights)
    open_ = np.setdiff1d(np.arange(len(price)), current.chosen)
    width = max(count, SINGLES)
    leaving, entering = best(price, current.chosen, width), best(-price, open_, width)
    if count == 1:
        gain = price[leaving][:, None] - price[entering][None, :]
        first, second = np.unravel_index(
            np.argsort(-gain, axis=None, kind="stable")[place : place + 1], gain.shape
        )
        leaving, entering = leaving[first], entering[second]
    size = min(len(leaving), len(entering), count)
    useful = price[entering[:size]] < price[leaving[:size]] - MIN_GAIN
    return leaving[:size][useful], entering[:size][useful]


def _residual_choice(problem: Problem, solution: CapacitySolution, settled: Ints, open_: Ints) -> Floats:
    """(n,) score: the mass each open candidate ships when the unserved demand is transported exactly, then
    its own.
    """
    missing = problem.k - len(settled)
    columns = solution.plan.tocsc()[:, settled]
    shipped = np.maximum(np.asarray(columns.sum(axis=0)).ravel(), 1e-300)
    demand = np.maximum(problem.masses - columns @ (1.0 / (problem.k * shipped)), 0.0)
    demand *= missing / problem.k / demand.sum()
    cost = problem.shortlist.cost.T.tocsr()[open_]
    cost.data += np.repeat(solution.state.c[open_], np.diff(cost.indptr))
    supply = np.full(len(open_), 1.0 / problem.k)
    plan = over_edges(cost, supply, demand, may_keep=np.arange(len(open_))).plan
    score = np.full(len(solution.weights), -np.inf)
    score[open_] = (
        np.round(problem.k * np.asarray(plan.sum(axis=1)).ravel(), 6) + solution.weights[open_] / 1e3
    )
    return score
