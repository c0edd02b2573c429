"""From capped weights to exactly k candidates, and the certificate of what that cost (ours).

relaxed_optimum  the linear programme, with the solution's redundancy as a cost: mostly k candidates
round_programme  the k that ship most in it
exchange         swap chosen against open candidates while the objective of the k-subset falls
lower_bound      what no k-subset can undercut
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.capacity.scaling import CapacitySolution, Problem, State, plan_of, reduced_cost
from evoselect.capacity.shortlist import Shortlist
from evoselect.features import gather
from evoselect.transport import (
    HALF_VIRTUAL,
    PRICE_TOLERANCE,
    Transport,
    exact_transport,
    over_edges,
    scaled_transport,
)

SHARE_DIGITS = 6  # of a candidate's mass, in caps: below is rounding of the simplex
MAX_EXCHANGES = 500  # transports that the exchange may solve,
EXCHANGE_NODES = 100_000  # and the rows and targets that they may have all together
SINGLES = 16  # leaving and entering candidates whose pairs are tried one by one
KICKED_NODES = 200  # k + M up to which a transport takes a millisecond and local optima are left again,
KICKS = (2, 3)  # by so many random swaps
KICKED_FROM = 16  # for one of so many open candidates
MIN_GAIN = 1e-9
CLOSE = 0.002  # in cost: a candidate this near to being wanted may be


@dataclass(frozen=True)
class Rounded:
    """k positions in the shortlist, the transport they carry over its edges, and the objective."""

    chosen: Ints  # (k,) positions in shortlist.candidates, ascending
    transport: Transport
    objective: float  # OT + (lambda / 2) k w'Kw of the uniform measure on ``chosen``
    exchanges: int  # transports solved while exchanging


def relaxed_optimum(
    shortlist: Shortlist, masses: Floats, k: int, g: Floats, extra: Floats | None = None
) -> Transport:
    """The linear programme on the shortlist, where every candidate ships at most 1/k at its cost plus
    ``extra`` (n,), 0 unless given; masses (M,) sum 1.

    Solved on the candidates that the prices ``g`` (M,) call wanted; those that the solution's own prices call
    wanted too are added until there are none.
    """
    n = len(shortlist.candidates)
    own = np.zeros(n) if extra is None else extra
    edges = shortlist.cost.T.tocsr()
    edges.data = edges.data + np.repeat(own, np.diff(edges.indptr))
    half = HALF_VIRTUAL + float(own.max(initial=0.0))  # what redundancy costs must not make a way out cheaper
    supply = np.full(n, 1.0 / k)
    price = reduced_cost(shortlist, g) + own
    wanted = price <= CLOSE
    wanted[best(-price, np.arange(n), k + len(masses))] = True
    while True:
        rows = np.flatnonzero(wanted)
        found = over_edges(edges[rows], supply[rows], masses, np.arange(len(rows)), half)
        missed = ~wanted & (reduced_cost(shortlist, found.g) + own < -PRICE_TOLERANCE)
        if not missed.any():
            return _on_all_rows(found, rows, n)
        wanted |= missed


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


def lower_bound(shortlist: Shortlist, masses: Floats, k: int, g: Floats) -> float:
    """Lower bound of OT(S, b) for EVERY k-subset S of all candidates, from any potentials (weak duality).

    LB = sum_j b_j g_j + (1/k) sum_i min(0, min_j(C_ij - g_j)); b: masses (M,), prices g (M,). These are first
    cut to the radius, so that no candidate outside the shortlist has a negative term, and an absent entry
    counts with what it costs at least.
    """
    g = np.minimum(g, shortlist.radius)
    least = np.minimum(reduced_cost(shortlist, g), shortlist.absent(g))
    return float(masses @ g + np.minimum(least, 0.0).sum() / k)


def is_complete(shortlist: Shortlist, g: Floats) -> bool:
    """Whether no absent entry can carry mass at the prices ``g`` (M,): none undercuts its best or 0."""
    least = np.minimum(reduced_cost(shortlist, g), 0.0)
    return bool((g <= shortlist.radius).all() and (least <= shortlist.absent(g) + 2 * PRICE_TOLERANCE).all())


def price_score(problem: Problem, state: State) -> Floats:
    """(n,) how wanted a candidate is at the prices of ``state``, in cost."""
    return -(reduced_cost(problem.shortlist, state.g) + state.c)


def round_programme(programme: Transport, k: int, score: Floats) -> Ints:
    """(k,) positions, ascending: those that ship most in the linear programme, ties by ``score`` (n,)."""
    shipped = np.round(k * np.asarray(programme.plan.sum(axis=1)).ravel(), SHARE_DIGITS)
    order = np.lexsort((np.arange(len(score)), -score, -shipped))
    return np.sort(order[:k])


def is_vertex(programme: Transport, k: int) -> bool:
    """Whether exactly k candidates ship: then the linear programme's solution is a k-subset."""
    shipped = np.asarray(programme.plan.sum(axis=1)).ravel()
    return int((k * shipped > 10.0**-SHARE_DIGITS).sum()) == k


def solution_score(solution: CapacitySolution) -> Floats:
    """(n,) how wanted a candidate is, in cost: eps log of the weight that it would take without its cap."""
    return np.asarray(solution.epsilon * np.log(np.maximum(solution.weights, 1e-300)) - solution.state.a)


def best(score: Floats, among: Ints, count: int) -> Ints:
    """The ``count`` positions in ``among`` (a,) of largest ``score`` (n,), best first, ties by index.

    -> (count,), or all of ``among`` where it has fewer.
    """
    return np.asarray(among[np.lexsort((among, -score[among]))[:count]])


def exchange(problem: Problem, chosen: Ints, enough: float) -> Rounded:
    """Swap ``chosen`` (k,) against open candidates as long as the objective falls.

    From a local optimum of a small problem it goes on after a few random swaps. Reaching ``enough`` ends the
    search, as does what MAX_EXCHANGES and EXCHANGE_NODES allow.
    """
    nodes = problem.k + len(problem.masses)
    allowed = min(MAX_EXCHANGES, EXCHANGE_NODES // nodes)
    found = _descend(problem, chosen, enough, allowed)
    solved, rng = found.exchanges, np.random.default_rng(0)
    kicked = nodes <= KICKED_NODES and problem.k < len(problem.shortlist.candidates)
    while kicked and solved < allowed and found.objective > enough:
        trial = _descend(problem, _kicked(problem, found, rng), enough, allowed - solved)
        solved += trial.exchanges
        found = min(found, trial, key=lambda rounded: rounded.objective)
    return replace(found, exchanges=solved)


def _descend(problem: Problem, chosen: Ints, enough: float, allowed: int) -> Rounded:
    """Swap many at a time, with at most ``allowed`` transports.

    The potentials of the current transport price every candidate: a swap of i for c changes the objective by
    at least (h_c - h_i) / k to first order. A batch that does not help is halved; once single swaps are left,
    they are tried in the order of their promise.
    """
    current = evaluate(problem, chosen)
    batch, place, solved = problem.k, 0, 1
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


def _kicked(problem: Problem, found: Rounded, rng: np.random.Generator) -> Ints:
    """Two or three random ones of the chosen replaced by random ones of the best that are open."""
    price = _prices(problem, found)
    open_ = np.setdiff1d(np.arange(len(price)), found.chosen)
    near = best(-price, open_, KICKED_FROM)
    count = min(int(rng.choice(KICKS)), problem.k, len(near))
    leaving = rng.choice(found.chosen, count, replace=False)
    return _swapped(found.chosen, leaving, rng.choice(near, count, replace=False))


def _prices(problem: Problem, current: Rounded) -> Floats:
    """(n,) what a candidate costs at the potentials of ``current``, with its redundancy."""
    weights = np.zeros(len(problem.shortlist.candidates))
    weights[current.chosen] = 1.0 / problem.k
    return reduced_cost(problem.shortlist, current.transport.g) + problem.lam * problem.redundancy(weights)


def settle(pool: Tensor, targets: Tensor, problem: Problem, chosen: Ints) -> Rounded:
    """The exact transport of ``chosen`` (k,) over all pairs, from the shortlist's edges on.

    pool (N, d) and targets (M, d) are the unit rows of the problem.
    """
    rows = gather(pool, torch.from_numpy(problem.shortlist.candidates[chosen]))
    edges = problem.shortlist.cost.T.tocsr()[chosen]
    carried = exact_transport(rows, targets, problem.masses, edges)
    return Rounded(chosen, carried, carried.cost + _redundancy(problem, chosen), 0)


def estimate(
    pool: Tensor, targets: Tensor, problem: Problem, solution: CapacitySolution, chosen: Ints
) -> Rounded:
    """The transport of ``chosen`` (k,) by scaling the plan, for problems whose exact transport is too large.

    pool (N, d) and targets (M, d) are the unit rows of the problem.
    """
    shortlist = problem.shortlist
    rows = gather(pool, torch.from_numpy(shortlist.candidates[chosen]))
    kernel = plan_of(shortlist, replace(solution.state, c=np.zeros_like(solution.state.c)), solution.epsilon)
    columns = kernel.T.tocsr()[chosen]
    carried = scaled_transport(columns, shortlist.cost.T.tocsr()[chosen], problem.masses, rows, targets)
    return Rounded(chosen, carried, carried.cost + _redundancy(problem, chosen), 0)


def _redundancy(problem: Problem, chosen: Ints) -> float:
    """(lambda / 2) k w'K w of the uniform measure on ``chosen``."""
    weights = np.zeros(len(problem.shortlist.candidates))
    weights[chosen] = 1.0 / problem.k
    return 0.5 * problem.lam * float(weights @ problem.redundancy(weights))


def _swapped(chosen: Ints, leaving: Ints, entering: Ints) -> Ints:
    return np.sort(np.concatenate([np.setdiff1d(chosen, leaving), entering]))


def evaluate(problem: Problem, chosen: Ints) -> Rounded:
    """The uniform measure on ``chosen`` (k,): its transport over the shortlist's edges, and the objective."""
    supply = np.full(problem.k, 1.0 / problem.k)
    carried = over_edges(problem.shortlist.cost.T.tocsr()[chosen], supply, problem.masses)
    return Rounded(chosen, carried, carried.cost + _redundancy(problem, chosen), 1)


def _swaps(problem: Problem, current: Rounded, count: int, place: int) -> tuple[Ints, Ints]:
    """At most ``count`` (leaving, entering) positions, best first; single swaps from ``place`` on."""
    price = _prices(problem, current)
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
