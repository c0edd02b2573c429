"""The shortlist: the candidates that can matter to each target.

It is a sparse cost matrix over M targets and n candidates.

by_price        what costs less than each target pays in a sample's optimum: one pass over the data (ours)
build, widen    the nearest of each target: what shards exchange, and where a price was too low
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.features import row_blocks
from evoselect.neighbours.matrix import cheapest
from evoselect.pools.pool import Pool
from evoselect.spec.listing import MIN_WIDTH, list_width, priced
from evoselect.transport import PRICE_TOLERANCE, optimal_choice

WIDENING = 4  # times as wide, for the targets that want more
WHOLE_ENTRIES = 2**20  # of (N, M) up to which the sample is the whole pool
SAMPLE_SHARE = 1 / 16  # of the pool, else;
MIN_SAMPLE = 2_048  # rows,
MAX_SAMPLE = 8_192
PER_TARGET = 0.5  # and so many that a target takes about this many of them
EXHAUSTED = 1.1  # of k: a sample that runs out a little earlier than the pool names the price after it
EXACT_NODES = 10_000  # k + M up to which the network simplex takes a fraction of a second
LISTED = 4  # times the rows that the budget buys, above EXACT_NODES
MARGIN = 0.02  # above the sample's price: room for its noise, for epsilon and for lambda
WINDOW = 0.06  # of costs over the best of a candidate, in which another target may take it
MOST = 2.0  # no cosine costs more
NARROW_WINDOW = 0.02  # once the prices are those of the whole pool


@dataclass(frozen=True)
class Shortlist:
    """Edges between targets and the candidates that can matter to them.

    An absent entry (j, i) costs at least min(radius_j, anchor_j + floor_i), one of a candidate that is not
    listed at least radius_j.
    """

    candidates: Ints  # (n,) row numbers in the full matrix, ascending
    cost: scipy.sparse.csr_array  # (M, n) 1 - cosine
    radius: Floats  # (M,) in cost, inf where every candidate is listed
    anchor: Floats  # (M,)
    floor: Floats  # (n,)

    def absent(self, g: Floats) -> Floats:
        """g (M,) -> (n,) what C_ij - g_j is at least over the absent entries of each listed candidate."""
        return np.minimum(float((self.radius - g).min()), self.floor + float((self.anchor - g).min()))

    def reduced(self, g: Floats) -> scipy.sparse.csr_array:
        """g (M,) -> (M, n) C_ij - g_j on the edges."""
        data = self.cost.data - g[self.target_of_edge]
        return scipy.sparse.csr_array((data, self.cost.indices, self.cost.indptr), self.cost.shape)

    @property
    def complete(self) -> bool:
        """Whether every candidate is listed for every target: the dense problem."""
        return bool(np.isinf(self.radius).all())

    @cached_property
    def by_candidate(self) -> scipy.sparse.csr_array:
        """(n, M) the costs, a row a candidate."""
        return self.cost.T.tocsr()

    @cached_property
    def target_of_edge(self) -> Ints:
        """(edges,) row of each stored entry."""
        return np.repeat(np.arange(self.cost.shape[0]), np.diff(self.cost.indptr))


def by_price(pool: Pool, targets: Tensor, masses: Floats, budget: Budget) -> tuple[Shortlist, Floats]:
    """List what costs at most MARGIN more than each target pays in the optimum of a sample.

    pool (N, d) and targets (M, d) unit rows, masses (M,) sum 1 -> the list, and (M,) those prices.
    """
    n, m = pool.shape[0], targets.shape[0]
    if not priced(n, m):
        listed = build(pool, targets, list_width(n, m, budget.count))
        return listed, np.minimum(listed.radius, MOST)
    paid, price = first_prices(pool, targets, masses, budget)
    listed = at_price(pool, targets, price)
    empty = np.flatnonzero(np.diff(listed.cost.indptr) == 0)
    return (widen(listed, pool, targets, empty) if len(empty) else listed), paid


def at_price(pool: Pool, targets: Tensor, price: Floats) -> Shortlist:
    """List the edges that cost at most ``price`` (M,) and at most WINDOW more than the candidate's best.

    pool (N, d), targets (M, d), unit rows.
    """
    found = pool.edges_below(targets, price, WINDOW)
    floor = np.minimum(WINDOW - found.best, 0.0)
    return _of_rows(
        found.rows, (found.place, found.target, found.cost), radius=price, anchor=price, floor=floor
    )


def build(pool: Pool, targets: Tensor, width: int) -> Shortlist:
    """List the ``width`` nearest candidates of every target: pool (N, d), targets (M, d), unit rows."""
    cost, index = _search(pool, targets, width)
    return from_edges(
        cost.ravel(),
        index.ravel(),
        np.full(len(targets), width),
        np.full(len(targets), np.inf) if width == pool.shape[0] else cost.max(axis=1),
    )


def widen(shortlist: Shortlist, pool: Pool, targets: Tensor, short: Ints) -> Shortlist:
    """The same shortlist with four times as many candidates for the targets in ``short`` (s,).

    pool (N, d), targets (M, d), unit rows.
    """
    counts = np.diff(shortlist.cost.indptr)[short]
    width = min(pool.shape[0], max(MIN_WIDTH, WIDENING * int(counts.max())))
    cost, index = _search(pool, targets[short], width)
    keep = ~np.isin(shortlist.target_of_edge, short)
    target = np.concatenate([shortlist.target_of_edge[keep], np.repeat(short, width)])
    row = np.concatenate([shortlist.candidates[shortlist.cost.indices[keep]], index.ravel()])
    rows, place = np.unique(row, return_inverse=True)
    radius, anchor = shortlist.radius.copy(), shortlist.anchor.copy()
    radius[short] = np.inf if width == pool.shape[0] else cost.max(axis=1)
    anchor[short] = np.inf  # nothing absent is cheaper than the radius
    floor = np.full(len(rows), np.inf)
    known = np.isin(rows, shortlist.candidates)
    floor[known] = shortlist.floor[np.searchsorted(shortlist.candidates, rows[known])]
    price = np.concatenate([shortlist.cost.data[keep], cost.ravel()])
    return _of_rows(rows, (place, target, price), radius=radius, anchor=anchor, floor=floor)


def verified(shortlist: Shortlist, pool: Pool, targets: Tensor, g: Floats) -> tuple[Shortlist, int]:
    """The same shortlist with the entries that it lacked, and how many those are.

    An entry was lacking where the prices ``g`` (M,) call it better than its candidate's listed ones.

    pool (N, d), targets (M, d), unit rows. Only candidates whose absent entries could be are looked at
    again.
    """
    reduced = shortlist.reduced(g)
    least = np.full(len(shortlist.candidates), np.inf)
    np.minimum.at(least, reduced.indices, reduced.data)
    least = np.minimum(least, 0.0)
    absent = shortlist.absent(g)
    doubtful = np.flatnonzero(absent < least)
    rows = pool.gather(shortlist.candidates[doubtful])
    price, goal = torch.from_numpy(g - 1.0).float().to(rows.device), targets.to(rows.device).float().T
    most = torch.from_numpy(PRICE_TOLERANCE - least[doubtful]).float().to(rows.device)
    place, target, cost = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for block in row_blocks(rows):
        cosine = rows[block] @ goal
        better = (cosine + price).amax(dim=1) > most[block]
        where, column = torch.nonzero(cosine[better] + price > most[block][better][:, None], as_tuple=True)
        place.append(doubtful[block][better.cpu().numpy()][where.cpu().numpy()])
        target.append(column.cpu().numpy())
        cost.append(1.0 - cosine[better][where, column].double().cpu().numpy())
    floor = np.maximum(absent, least - PRICE_TOLERANCE)
    edges = (
        np.concatenate([shortlist.cost.indices, *place]),
        np.concatenate([shortlist.target_of_edge, *target]),
        np.concatenate([shortlist.cost.data, *cost]),
    )
    found = sum(len(part) for part in place)
    return _of_rows(shortlist.candidates, edges, radius=shortlist.radius, anchor=g, floor=floor), found


def narrowed(shortlist: Shortlist, g: Floats, margin: float, budget: Budget) -> Shortlist:
    """Only the candidates near the best that spend ``budget`` at the prices ``g`` (M,).

    They cost at most ``margin`` more than those, and keep their edges within NARROW_WINDOW of their best one
    at these prices. What is pinned stays.
    """
    reduced = shortlist.reduced(g)
    best = np.full(len(shortlist.candidates), np.inf)
    np.minimum.at(best, reduced.indices, reduced.data)
    order = np.argsort(best, kind="stable")
    most = max(0.0, float(best[order[budget.enough(order) - 1]])) + margin
    near = best <= most
    near[budget.pinned] = True
    if budget.bounds is not None:
        near[budget.fill(order)] = True
    kept = (reduced.data <= best[reduced.indices] + NARROW_WINDOW) | ~budget.free[reduced.indices]
    cheapest = np.minimum.reduceat(reduced.data, reduced.indptr[:-1])  # no target is left without an edge
    kept |= reduced.data == cheapest[shortlist.target_of_edge]
    near[reduced.indices[reduced.data == cheapest[shortlist.target_of_edge]]] = True
    kept &= near[reduced.indices]
    place = (np.cumsum(near) - 1)[reduced.indices[kept]]
    edges = (place, shortlist.target_of_edge[kept], shortlist.cost.data[kept])
    floor = np.minimum(best + NARROW_WINDOW, shortlist.absent(g))[near]
    return _of_rows(
        shortlist.candidates[near],
        edges,
        radius=np.minimum(shortlist.radius, g + most),
        anchor=g,
        floor=floor,
    )


def with_rows(shortlist: Shortlist, pool: Pool, targets: Tensor, rows: Ints) -> Shortlist:
    """The same with an edge from each of ``rows`` (r,) of pool (N, d) to all targets (M, d)."""
    if not len(rows):
        return shortlist
    members = np.union1d(shortlist.candidates, rows)
    row = shortlist.candidates[shortlist.cost.indices]
    kept = ~np.isin(row, rows)
    features = pool.gather(rows)
    cost = 1.0 - (features @ targets.to(features.device).float().T).double().cpu().numpy()
    m = len(shortlist.radius)
    edges = (
        np.searchsorted(members, np.concatenate([row[kept], np.repeat(rows, m)])),
        np.concatenate([shortlist.target_of_edge[kept], np.tile(np.arange(m), len(rows))]),
        np.concatenate([shortlist.cost.data[kept], cost.ravel()]),
    )
    floor = np.full(len(members), np.inf)
    floor[np.searchsorted(members, shortlist.candidates)] = shortlist.floor
    floor[np.searchsorted(members, rows)] = np.inf
    return _of_rows(members, edges, radius=shortlist.radius, anchor=shortlist.anchor, floor=floor)


def needed(pool: Pool, targets: Tensor, budget: Budget, g: Floats) -> Ints:
    """Rows (r,), ascending, of pool (N, d) that spend the budget within the bounds of its groups.

    Those are the cheapest at the prices ``g`` (M,) of targets (M, d); there are none without bounds.
    """
    if budget.bounds is None:
        return np.empty(0, dtype=np.int64)
    order = np.argsort(pool.cheapest(targets, g), kind="stable")
    return np.sort(budget.fill(order))


def with_all_targets(shortlist: Shortlist, pool: Pool, targets: Tensor) -> Shortlist:
    """The same candidates with an edge to every target: pool (N, d), targets (M, d), unit rows."""
    rows = pool.gather(shortlist.candidates)
    cost = 1.0 - (targets.to(rows.device).float() @ rows.T).double().cpu().numpy()
    return replace(shortlist, cost=scipy.sparse.csr_array(cost))


def first_prices(pool: Pool, targets: Tensor, masses: Floats, budget: Budget) -> tuple[Floats, Floats]:
    """Potentials of the linear programme on evenly spaced rows, and the prices up to which rows are listed.

    The programme spends a little more than the budget. Prices are at most MARGIN more, and list fewer than
    LISTED times the budget's rows where those are many.

    pool (N, d), targets (M, d), masses (M,) -> (M,) and (M,).
    """
    step = sample_step(pool.size, targets.shape[0], budget.count)
    rows, total = pool.every(step), budget.total
    price = budget.prices[rows]
    if step > 1:
        total = min(int(price.sum()), max(1, round(EXHAUSTED * total / step)))
    sample = pool.read(rows)
    paid = np.minimum(optimal_choice(sample, targets, masses, price / total).g, MOST)
    if budget.count + targets.shape[0] <= EXACT_NODES:
        return paid, paid + MARGIN
    dearer = np.sort(cheapest(sample, targets, paid))
    place = min(len(dearer) - 1, -(-LISTED * budget.count // step))
    return paid, paid + float(np.clip(dearer[place], 0.0, MARGIN))


def sample_step(n: int, m: int, k: int) -> int:
    """Every how many of n candidates one is in the sample that names the first prices."""
    return 1 if n * m <= WHOLE_ENTRIES else n // sample_rows(n, m, k)


def sample_rows(n: int, m: int, k: int) -> int:
    """How many of n candidates name the first prices."""
    wanted = max(MIN_SAMPLE, int(SAMPLE_SHARE * n), int(PER_TARGET * m * n / k))
    return min(n, wanted, MAX_SAMPLE)


def _of_rows(
    rows: Ints, edges: tuple[Ints, Ints, Floats], *, radius: Floats, anchor: Floats, floor: Floats
) -> Shortlist:
    """Shortlist of (place in ``rows``, target, cost) edges in any order, each once."""
    place, target, cost = edges
    matrix = scipy.sparse.csr_array((cost, (target, place)), shape=(len(radius), len(rows)))
    return Shortlist(rows, matrix, radius, anchor, floor)


def from_edges(cost: Floats, index: Ints, counts: Ints, radius: Floats) -> Shortlist:
    """Shortlist of E edges sorted by target.

    cost (E,), index (E,) candidate rows, counts (M,) edges of each target, radius (M,) in cost.
    """
    members, column = np.unique(index, return_inverse=True)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    matrix = scipy.sparse.csr_array((cost, column, bounds), shape=(len(counts), len(members)))
    matrix.sort_indices()
    return Shortlist(members, matrix, radius, radius, np.full(len(members), np.inf))


def _search(pool: Pool, targets: Tensor, width: int) -> tuple[Floats, Ints]:
    cosine, index = pool.nearest(targets, width)
    return 1.0 - cosine, index
