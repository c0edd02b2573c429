"""From capped weights to candidates that spend the budget, and the certificate of what that cost (ours).

relaxed_optimum  the linear programme, with the solution's redundancy as a cost: mostly whole candidates
exchange         swap chosen against open candidates while the objective of the set falls
lower_bound      what no set that spends the budget can undercut
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity.scaling import CapacitySolution, Problem, State, plan_of, reduced_cost
from evoselect.capacity.shortlist import Shortlist
from evoselect.pools.pool import Pool
from evoselect.transport import (
    HALF_VIRTUAL,
    PRICE_TOLERANCE,
    Transport,
    exact_transport,
    over_edges,
    scaled_transport,
)

MAX_EXCHANGES = 500  # transports that the exchange may solve,
EXCHANGE_NODES = 100_000  # and the rows and targets that they may have all together
SINGLES = 16  # leaving and entering candidates whose pairs are tried one by one,
UNEQUAL_SINGLES = 64  # of unequal prices, where most pairs would overspend
KICKED_NODES = 200  # k + M up to which a transport takes a millisecond and local optima are left again,
FIRST_BATCH = 16  # swaps at once: twice as many where they help, half where they do not
KICKS = (2, 3)  # by so many random swaps
KICKED_FROM = 16  # for one of so many open candidates
MIN_GAIN = 1e-9
CLOSE = 0.002  # in cost: a candidate this near to being wanted may be


@dataclass(frozen=True)
class Rounded:
    """Positions in the shortlist, the transport they carry over its edges, and the objective."""

    chosen: Ints  # (k,) positions in shortlist.candidates, ascending
    transport: Transport
    objective: float  # OT + (lambda / 2) k w'Kw of the budget's measure on ``chosen``
    exchanges: int  # transports solved while exchanging


def relaxed_optimum(
    shortlist: Shortlist,
    masses: Floats,
    budget: Budget,
    g: Floats,
    *,
    extra: Floats | None = None,
    start: Floats | None = None,
) -> Transport:
    """The linear programme on the shortlist; masses (M,) sum 1.

    Every candidate ships at most its cap, and what is pinned all of it, at its cost plus ``extra`` (n,), 0
    unless given.

    Solved on the candidates that the prices ``g`` (M,) call wanted; those that the solution's own prices call
    wanted too are added until there are none. ``start`` (M,): prices that the simplex starts from.
    """
    n = len(shortlist.candidates)
    own = np.zeros(n) if extra is None else extra
    edges = shortlist.by_candidate.copy()  # its costs change
    edges.data = edges.data + np.repeat(own, np.diff(edges.indptr))
    half = HALF_VIRTUAL + float(own.max(initial=0.0))  # what redundancy costs must not make a way out cheaper
    price = reduced_cost(shortlist, g) + own
    order = best(-price, np.arange(n), n)
    wanted = (price <= CLOSE) | ~budget.free
    wanted[order[: budget.enough(order) + len(masses)]] = True
    while True:
        rows = np.flatnonzero(wanted)
        found = over_edges(
            edges[rows],
            budget.caps[rows],
            masses,
            may_keep=np.flatnonzero(budget.free[rows]),
            half_virtual=half,
            start=start,
        )
        missed = ~wanted & (reduced_cost(shortlist, found.g) + own < -PRICE_TOLERANCE)
        if not missed.any():
            return _on_all_rows(found, rows, n)
        wanted |= missed
        start = found.g


def _on_all_rows(found: Transport, rows: Ints, n: int) -> Transport:
    """The transport of ``rows`` as one of all ``n`` candidates, of which the others ship nothing."""
    bounds = np.zeros(n + 1, dtype=np.int64)
    bounds[rows + 1] = np.diff(found.plan.indptr)
    plan = scipy.sparse.csr_array(
        (found.plan.data, found.plan.indices, np.cumsum(bounds)), shape=(n, found.plan.shape[1])
    )
    f = np.zeros(n)
    f[rows] = found.f
    return replace(found, plan=plan, f=f)


def lower_bound(shortlist: Shortlist, masses: Floats, budget: Budget, g: Floats) -> float:
    """Lower bound of OT(S, b) for EVERY S that holds what is pinned and spends the budget.

    From any potentials, by weak duality.

    LB = sum_j b_j g_j + sum_i u_i min(0, min_j(C_ij - g_j)), without the 0 where pinned; b: masses (M,),
    prices g (M,). These are first cut to the radius, so that no candidate outside the shortlist has a
    negative term, and an absent entry counts with what it costs at least.
    """
    g = np.minimum(g, shortlist.radius)
    listed = reduced_cost(shortlist, g)
    least = np.minimum(np.minimum(listed, shortlist.absent(g)), 0.0)
    least[budget.pinned] = listed[budget.pinned]  # whose entries are all there
    return float(masses @ g + least @ budget.caps)


def is_complete(shortlist: Shortlist, g: Floats, budget: Budget) -> bool:
    """Whether no absent entry can carry mass at the prices ``g`` (M,): none undercuts its best or 0."""
    least = np.minimum(reduced_cost(shortlist, g), 0.0)
    inside = least <= shortlist.absent(g) + 2 * PRICE_TOLERANCE
    return bool((g <= shortlist.radius).all() and inside[budget.free].all())


def price_score(problem: Problem, state: State) -> Floats:
    """(n,) how wanted a candidate is at the prices of ``state``, in cost."""
    return -(reduced_cost(problem.shortlist, state.g) + state.c)


def solution_score(solution: CapacitySolution) -> Floats:
    """(n,) how wanted a candidate is, in cost: eps log of the weight that it would take without its cap."""
    return np.asarray(solution.epsilon * np.log(np.maximum(solution.weights, 1e-300)) - solution.state.a)


def best(score: Floats, among: Ints, count: int) -> Ints:
    """The ``count`` positions in ``among`` (a,) of largest ``score`` (n,), best first, ties by index.

    -> (count,), or all of ``among`` where it has fewer.
    """
    own = score[among]
    if 0 < count < len(among):  # most need no place: only those that can be among the best are sorted
        among = among[own >= np.partition(own, len(own) - count)[len(own) - count]]
        own = score[among]
    return np.asarray(among[np.lexsort((among, -own))[:count]])


def exchange(problem: Problem, chosen: Ints, enough: float, *, most: int = MAX_EXCHANGES) -> Rounded:
    """Swap ``chosen`` (k,) against open candidates as long as the objective falls.

    From a local optimum of a small problem it goes on after a few random swaps. Reaching ``enough`` ends the
    search, as do ``most`` transports and what EXCHANGE_NODES allows.
    """
    nodes = len(chosen) + len(problem.masses)
    allowed = min(most, EXCHANGE_NODES // nodes)
    found = _descend(problem, chosen, enough, allowed)
    solved, rng = found.exchanges, np.random.default_rng(0)
    kicked = nodes <= KICKED_NODES and len(problem.budget.pinned) < len(chosen) < len(problem.budget.prices)
    while kicked and solved < allowed and found.objective > enough:
        trial = _descend(problem, _kicked(problem, found, rng), enough, allowed - solved)
        solved += trial.exchanges
        if problem.budget.spent(trial.chosen) >= problem.budget.least(problem.budget.spent(found.chosen)):
            found = min(found, trial, key=lambda rounded: rounded.objective)
    return replace(found, exchanges=solved)


def _descend(problem: Problem, chosen: Ints, enough: float, allowed: int) -> Rounded:
    """Swap many at a time, with at most ``allowed`` transports.

    The potentials of the current transport price every candidate: a swap of i for c changes the objective by
    at least (h_c - h_i) / k to first order. A batch that does not help is halved; once single swaps are left,
    they are tried in the order of their promise.
    """
    current = evaluate(problem, chosen)
    batch, place, solved = min(len(chosen), FIRST_BATCH) if problem.budget.uniform else 1, 0, 1
    while solved < allowed and current.objective > enough:
        leaving, entering = _swaps(problem, current, batch, place)
        if not len(leaving):
            break
        trial = evaluate(problem, _swapped(current.chosen, leaving, entering), current.transport.g)
        solved += 1
        if trial.objective < current.objective - MIN_GAIN:
            current, place = trial, 0
            batch = 2 * batch if batch > 1 else 1
        elif len(leaving) > 1:
            batch = len(leaving) // 2
        else:
            batch, place = 1, place + 1
    return replace(current, exchanges=solved)


def _kicked(problem: Problem, found: Rounded, rng: np.random.Generator) -> Ints:
    """Two or three random ones of the chosen replaced by random ones of the best that are open."""
    price = _prices(problem, found)
    open_ = _others(len(price), found.chosen)
    near = best(-price, open_, KICKED_FROM)
    loose = found.chosen[problem.budget.free[found.chosen]]
    count = min(int(rng.choice(KICKS)), len(loose), len(near))
    leaving = rng.choice(loose, count, replace=False)
    if problem.budget.uniform:
        return _swapped(found.chosen, leaving, rng.choice(near, count, replace=False))
    kept = replace(problem.budget, pinned=np.setdiff1d(found.chosen, leaving))
    rest = np.setdiff1d(np.concatenate([open_, leaving]), near)  # a group may need what has left it
    return np.sort(kept.fill(np.concatenate([rng.permutation(near), best(-price, rest, len(rest))])))


def _prices(problem: Problem, current: Rounded) -> Floats:
    """(n,) what a candidate costs at the potentials of ``current``, with its redundancy."""
    weights = np.zeros(len(problem.shortlist.candidates))
    weights[current.chosen] = problem.budget.measure(current.chosen)
    return reduced_cost(problem.shortlist, current.transport.g) + problem.lam * problem.redundancy(weights)


def settle(
    pool: Pool, targets: Tensor, problem: Problem, chosen: Ints, *, g: Floats, near: Rounded | None = None
) -> Rounded:
    """The exact transport of ``chosen`` (k,) over all pairs, from listed edges and prices ``g`` (M,) on.

    pool (N, d) and targets (M, d) are the unit rows of the problem. ``near``: another settled choice, whose
    edges are taken over.
    """
    rows = pool.gather(problem.shortlist.candidates[chosen])
    edges = problem.shortlist.by_candidate[chosen]
    if near is not None and near.transport.edges is not None:
        edges = _taken_over(edges, chosen, near.chosen, near.transport.edges)
    supply = problem.budget.measure(chosen)
    carried = exact_transport(rows, targets, problem.masses, edges, supply=supply, prices=g)
    return Rounded(chosen, carried, carried.cost + _redundancy(problem, chosen), 0)


def _taken_over(
    edges: scipy.sparse.csr_array, chosen: Ints, others: Ints, theirs: scipy.sparse.csr_array
) -> scipy.sparse.csr_array:
    """``edges`` (k, M), but ``theirs`` (r, M) for those of ``chosen`` (k,) among ``others`` (r,)."""
    both = np.isin(chosen, others)
    place = np.empty(len(chosen), dtype=np.int64)
    place[both] = np.searchsorted(others, chosen[both])
    place[~both] = len(others) + np.arange(int((~both).sum()))
    return scipy.sparse.csr_array(scipy.sparse.vstack([theirs, edges[~both]], format="csr")[place])


def estimate(
    pool: Pool, targets: Tensor, problem: Problem, solution: CapacitySolution, *, chosen: Ints
) -> Rounded:
    """The transport of ``chosen`` (k,) by scaling the plan, for problems whose exact transport is too large.

    pool (N, d) and targets (M, d) are the unit rows of the problem.
    """
    shortlist = problem.shortlist
    rows = pool.gather(shortlist.candidates[chosen])
    kernel = plan_of(shortlist, replace(solution.state, c=np.zeros_like(solution.state.c)), solution.epsilon)
    columns = kernel.T.tocsr()[chosen]
    cost, supply = shortlist.by_candidate[chosen], problem.budget.measure(chosen)
    carried = scaled_transport(columns, cost, problem.masses, rows=rows, targets=targets, supply=supply)
    return Rounded(chosen, carried, carried.cost + _redundancy(problem, chosen), 0)


def _redundancy(problem: Problem, chosen: Ints) -> float:
    """(lambda / 2) k w'K w of the budget's measure on ``chosen``."""
    weights = np.zeros(len(problem.shortlist.candidates))
    weights[chosen] = problem.budget.measure(chosen)
    return 0.5 * problem.lam * float(weights @ problem.redundancy(weights))


def _others(n: int, chosen: Ints) -> Ints:
    """The positions below ``n`` that are not ``chosen`` (k,), ascending."""
    left = np.ones(n, dtype=bool)
    left[chosen] = False
    return np.flatnonzero(left)


def _swapped(chosen: Ints, leaving: Ints, entering: Ints) -> Ints:
    return np.sort(np.concatenate([np.setdiff1d(chosen, leaving), entering]))


def evaluate(problem: Problem, chosen: Ints, g: Floats | None = None) -> Rounded:
    """The budget's measure on ``chosen`` (k,): its transport over the shortlist's edges, the objective.

    ``g`` (M,): about what the targets pay.
    """
    supply = problem.budget.measure(chosen)
    carried = over_edges(problem.shortlist.by_candidate[chosen], supply, problem.masses, start=g)
    return Rounded(chosen, carried, carried.cost + _redundancy(problem, chosen), 1)


def _swaps(problem: Problem, current: Rounded, count: int, place: int) -> tuple[Ints, Ints]:
    """At most ``count`` (leaving, entering) positions, best first; single swaps from ``place`` on."""
    price = _prices(problem, current)
    open_ = _others(len(price), current.chosen)
    loose = current.chosen[problem.budget.free[current.chosen]]
    if count == 1:
        return _single_swap(problem.budget, price, current.chosen, loose=loose, open_=open_, place=place)
    leaving, entering = best(price, loose, max(count, SINGLES)), best(-price, open_, max(count, SINGLES))
    size = min(len(leaving), len(entering), count)
    useful = price[entering[:size]] < price[leaving[:size]] - MIN_GAIN
    return leaving[:size][useful], entering[:size][useful]


def _single_swap(
    budget: Budget, price: Floats, chosen: Ints, *, loose: Ints, open_: Ints, place: int
) -> tuple[Ints, Ints]:
    """The pair of ``loose`` and ``open_`` of the ``place``-th largest gain within the budget."""
    width, spent = SINGLES if budget.uniform else UNEQUAL_SINGLES, budget.spent(chosen)
    leaving, entering = best(price, loose, width), best(-price, open_, width)
    worth = price * (budget.prices / (budget.total / budget.rows))
    gain = worth[leaving][:, None] - worth[entering][None, :]
    after = spent - budget.prices[leaving][:, None] + budget.prices[entering][None, :]
    gain[(after > budget.total) | (after < budget.least(spent))] = -np.inf
    if budget.bounds is not None:
        gain[~budget.bounds.allowed(budget.prices, chosen, leaving, entering)] = -np.inf
    order = np.argsort(-gain, axis=None, kind="stable")[place : place + 1]
    order = order[gain.ravel()[order] > MIN_GAIN]
    return leaving[order // max(1, len(entering))], entering[order % max(1, len(entering))]
