"""Exact optimal transport by POT's network simplex (Bonneel et al. 2011), with column generation (ours).

A sparse solve prices every other edge with its potentials; edges that would lower the cost are added until
none is left, which proves the plan optimal over all edges. Costs are 1 - cosine; masses and potentials are
float64. POT is imported where it solves: it loads scikit-learn, for which those who only price need not wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.features import row_blocks

HALF_VIRTUAL = 1.25  # the virtual row and column are joined at this a side: dearer than any 1 - cosine
NEAR_VIRTUAL = 0.05  # the same over prices that are about right
MAX_PIVOTS = 100_000_000
FIRST_PER_TARGET = 16  # edges of a target to start with,
FIRST_PER_SHARE = 2  # or this many times its fair share of rows
FIRST_PER_ROW = 4
ADDED_PER_ROW = 8
KEPT_COSINES = 2**24  # entries, 64 MiB
PRICE_TOLERANCE = 1e-6  # the float32 products that price an edge are accurate to about 1e-7
MASS_TOLERANCE = 1e-6  # on the sum of the targets' masses
BALANCED = 1e-12  # mass by which supply and demand may differ and still be one
MAX_ROUNDS = 25
SCALINGS = 60
TINY = 1e-200


@dataclass(frozen=True)
class Transport:
    """Plan over the given edges; what they could not carry went over virtual edges at a higher cost."""

    plan: scipy.sparse.csr_array  # (n, M)
    cost: float  # an upper bound of the transport over all edges; equal to it where ``exact``
    unmatched: float  # mass on virtual edges
    f: Floats  # (n,) potential of every row
    g: Floats  # (M,) potential of every target: f_i + g_j <= C_ij on the edges
    exact: bool = False
    edges: scipy.sparse.csr_array | None = None  # (n, M) costs of the edges, where they were generated


def over_edges(
    cost: scipy.sparse.csr_array,
    supply: Floats,
    demand: Floats,
    *,
    may_keep: Ints | None = None,
    half_virtual: float = HALF_VIRTUAL,
    start: Floats | None = None,
) -> Transport:
    """Cheapest plan from ``supply`` (n,) to ``demand`` (M,) over the stored entries of ``cost`` (n, M).

    Rows in ``may_keep`` (r,) need not ship: all together they keep what ``supply`` exceeds ``demand`` by, at
    no cost. ``half_virtual`` is half of what virtual edges cost: more than any stored entry. The simplex
    starts from the target prices ``start`` (M,), 0 unless given: they change its time, not the cost.
    """
    from ot.lp.emd_wrap import check_result, emd_c_sparse

    n, m = cost.shape
    if may_keep is None and cost.nnz == n * m and abs(float(supply.sum() - demand.sum())) <= BALANCED:
        return _over_all_pairs(cost.toarray(), supply, demand)
    row = np.repeat(np.arange(n), np.diff(cost.indptr))
    idle = np.empty(0, dtype=np.int64) if may_keep is None else may_keep
    surplus = max(0.0, float(supply.sum() - demand.sum()))
    # rows: n real, one virtual that can feed every target; columns: M real, one that keeps, one virtual
    source = np.concatenate([row, idle, np.arange(n), np.full(m + 2, n)])
    sink = np.concatenate([cost.indices, np.full(len(idle), m), np.full(n, m + 1), np.arange(m + 2)])
    half = np.full(n + m, half_virtual)
    price = np.concatenate([cost.data, np.zeros(len(idle)), half, [2 * half_virtual, 0.0]])
    left = np.append(supply, demand.sum())
    right = np.concatenate([demand, [surplus, left.sum() - demand.sum() - surplus]])
    f, g = _first_potentials(cost, np.zeros(m) if start is None else start, idle, half_virtual)
    edges = source.astype(np.uint64), sink.astype(np.uint64), price
    found = emd_c_sparse(left, right * (left.sum() / right.sum()), *edges, MAX_PIVOTS, f, g)
    origin, goal, flow, paid, u, v, state = found
    check_result(state)
    real = (origin < n) & (goal < m)
    kept = flow[real], (origin[real].astype(np.int64), goal[real].astype(np.int64))
    plan = scipy.sparse.csr_array(kept, shape=(n, m))
    unmatched = float(flow[(origin == n) & (goal < m)].sum())
    virtual = float(flow[goal == m + 1][origin[goal == m + 1] < n].sum()) + unmatched
    passed = float(flow[(origin == n) & (goal == m)].sum())
    carried = paid + half_virtual * (2 * unmatched - virtual - 2 * passed)
    # only f + g is determined: keeping a row's supply is worth 0, and so is a row where all is shipped
    keeping = float(v[m]) if len(idle) else -float(np.median(u[:n]))
    return Transport(plan, carried, unmatched, u[:n] + keeping, v[:m] - keeping)


def _first_potentials(
    cost: scipy.sparse.csr_array, prices: Floats, idle: Ints, half_virtual: float
) -> tuple[Floats, Floats]:
    """The potentials of ``over_edges``'s rows (n + 1,) and columns (M + 2,) that target prices (M,) imply."""
    f = _least_of_rows(cost, prices)
    if not len(idle):  # prices are known up to a constant: let rows be worth 0
        constant = float(np.median(f))
        f, prices = f - constant, prices + constant
    virtual = min(0.0, half_virtual - float(prices.max()))
    f = np.minimum(f, half_virtual + virtual)
    f[idle] = np.minimum(f[idle], 0.0)
    return np.append(f, virtual), np.append(prices, [0.0, -virtual])


def _least_of_rows(cost: scipy.sparse.csr_array, prices: Floats) -> Floats:
    """(n,) the least C_ij - g_j of the stored entries of every row at prices g (M,); 0 where it has none."""
    least = np.zeros(cost.shape[0])
    listed = np.flatnonzero(np.diff(cost.indptr))
    if len(listed):
        least[listed] = np.minimum.reduceat(cost.data - prices[cost.indices], cost.indptr[:-1][listed])
    return least


def _over_all_pairs(cost: Floats, supply: Floats, demand: Floats) -> Transport:
    """``over_edges`` where every pair has an edge (n, M) and all is shipped: a third of its time or less."""
    import ot

    plan, log = ot.emd(supply, demand, cost, log=True, numItermax=MAX_PIVOTS, center_dual=False)
    return Transport(scipy.sparse.csr_array(plan), float((plan * cost).sum()), 0.0, log["u"], log["v"])


def exact_transport(
    rows: Tensor,
    targets: Tensor,
    masses: Floats,
    edges: scipy.sparse.csr_array | None = None,
    *,
    supply: Floats | None = None,
    prices: Floats | None = None,
) -> Transport:
    """Optimal transport of ``supply`` (k,) on ``rows`` (k, d) to ``masses`` (M,) on ``targets`` (M, d).

    The supply is uniform unless given.

    ``edges`` (k, M) are costs to start from, where some that are likely to carry mass are known, and
    ``prices`` (M,) what the targets pay about: they change the time, not the cost. Raises InvalidInput for
    masses that are no distribution.
    """
    own = np.full(rows.shape[0], 1.0 / rows.shape[0]) if supply is None else supply
    return _generated(rows, targets, masses, own, edges=edges, prices=prices, idle=False)


def optimal_choice(rows: Tensor, targets: Tensor, masses: Floats, caps: Floats) -> Transport:
    """The linear programme of lambda 0 over all rows (n, d): each ships at most its cap and need not ship.

    targets (M, d), masses (M,) sum 1, caps (n,). Raises InvalidInput for masses that are no distribution.
    """
    return _generated(rows, targets, masses, caps, edges=None, prices=None, idle=True)


def _generated(
    rows: Tensor,
    targets: Tensor,
    masses: Floats,
    supply: Floats,
    *,
    edges: scipy.sparse.csr_array | None,
    prices: Floats | None,
    idle: bool,
) -> Transport:
    """Solve on few edges, add those that the potentials call too dear to miss, until there are none."""
    check_masses(masses, targets.shape[0])
    cosines = Cosines(rows, targets)
    known = _first_edges(cosines, round(1.0 / float(supply.mean()))) if edges is None else edges
    may_keep = np.arange(cosines.shape[0]) if idle else None
    if edges is not None and prices is not None:
        near, known = _about(cosines, known, supply, masses, prices=prices)
        if near is not None:
            return near
    start = prices
    for _ in range(MAX_ROUNDS):
        found = over_edges(known, supply, masses, may_keep=may_keep, start=start)
        new = _cheaper_edges(cosines, found)
        if new is None:
            return replace(found, exact=True, edges=known)
        known = _merge(known, new)
        start = start if found.unmatched > BALANCED else found.g  # those are as dear as a virtual edge
    return found


def _about(
    cosines: "Cosines", known: scipy.sparse.csr_array, supply: Floats, masses: Floats, *, prices: Floats
) -> tuple[Transport | None, scipy.sparse.csr_array]:
    """``_generated`` near target prices (M,), and the edges it knows in the end.

    There is no transport where these cannot carry all mass. Costs are counted from the prices on and virtual
    edges cost little, so that potentials stay near the prices, and only edges are added that cost little
    more, where separate parts of a plan would leave potentials undetermined by as much as a virtual edge.
    """
    base, g = _least_of_rows(known, prices), np.zeros(len(prices))
    for _ in range(MAX_ROUNDS):
        row = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))
        shifted = known.copy()
        shifted.data = known.data - base[row] - prices[known.indices]
        near = over_edges(shifted, supply, masses, half_virtual=NEAR_VIRTUAL, start=g)
        if near.unmatched > BALANCED:
            return None, known
        cost = near.cost + float(base @ supply + prices @ masses)
        found = replace(near, cost=cost, f=near.f + base, g=near.g + prices, edges=known)
        new = _cheaper_edges(cosines, found)
        if new is None:
            return replace(found, exact=True), known
        known, g = _merge(known, new), near.g
    return None, known


def check_masses(masses: Floats, m: int) -> None:
    """Raise InvalidInput unless masses (M,) are a distribution over ``m`` targets, to MASS_TOLERANCE."""
    if masses.shape != (m,) or not (masses >= 0.0).all() or abs(float(masses.sum()) - 1.0) > MASS_TOLERANCE:
        raise InvalidInput(
            f"masses have shape {masses.shape}, least value {masses.min(initial=np.inf):.6g} and sum "
            f"{masses.sum():.6g} for {m} targets: give one number >= 0 per target, divided by their sum"
        )


def scaled_transport(
    kernel: scipy.sparse.csr_array,
    cost: scipy.sparse.csr_array,
    masses: Floats,
    *,
    rows: Tensor,
    targets: Tensor,
    supply: Floats,
) -> Transport:
    """A feasible plan from ``supply`` (k,) on ``rows`` (k, d) to ``masses`` (M,) on targets (M, d).

    By Sinkhorn scaling of ``kernel`` (k, M) on its edges, which have cost (k, M).

    What the scaling leaves unmatched is spread over all pairs (Altschuler, Weed and Rigollet 2017, algorithm
    2), at its true cost, so the plan's cost is an upper bound of the optimal transport.
    """
    k, m = kernel.shape
    u, v = np.ones(k), np.ones(m)
    turned = kernel.T.tocsr()
    for _ in range(SCALINGS):
        u = supply / np.maximum(kernel @ v, TINY)
        v = np.minimum(masses / np.maximum(turned @ u, TINY), 1.0 / TINY)
    reach = kernel @ v
    u = np.minimum(u, supply / np.maximum(reach, TINY))
    v = v * np.minimum(1.0, masses / np.maximum(v * (turned @ u), TINY))
    plan = scipy.sparse.csr_array(scipy.sparse.diags_array(u) @ kernel @ scipy.sparse.diags_array(v))
    left = np.maximum(supply - plan.sum(axis=1), 0.0)
    wanted = np.maximum(masses - plan.sum(axis=0), 0.0)
    open_ = float(left.sum())
    source = torch.from_numpy(left).to(rows.device).float() @ rows.float()
    sink = torch.from_numpy(wanted).to(targets.device).float() @ targets.float()
    spread = open_ - float(source @ sink.to(source.device)) / max(float(wanted.sum()), TINY)
    carried = float(plan.multiply(cost).sum()) + max(spread, 0.0)
    return Transport(plan, carried, open_, np.log(np.maximum(u, TINY)), np.log(np.maximum(v, TINY)))


def transport_distance(
    rows: Tensor, targets: Tensor, masses: Floats | None = None, supply: Floats | None = None
) -> float:
    """Mean 1 - cosine of ``exact_transport``.

    rows (k, d), targets (M, d), masses (M,) and supply (k,) or equal ones.
    """
    m = targets.shape[0]
    own = np.full(m, 1.0 / m) if masses is None else masses
    return exact_transport(rows, targets, own, supply=supply).cost


class Cosines:
    """(n, M) inner products in blocks of rows: computed again at every pass, or once where they are few."""

    def __init__(self, rows: Tensor, targets: Tensor) -> None:
        self.shape = (rows.shape[0], targets.shape[0])
        self._rows = rows
        self._targets = targets.to(rows.device).float().T
        self._kept: list[tuple[slice, Tensor]] | None = None

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of rows -> (rows, M) float32 cosines to all targets."""
        if self._kept is None and self.shape[0] * self.shape[1] <= KEPT_COSINES:
            self._kept = list(self._computed())
        yield from self._computed() if self._kept is None else self._kept

    def _computed(self) -> Iterator[tuple[slice, Tensor]]:
        for block in row_blocks(self._rows):
            yield block, self._rows[block].float() @ self._targets


def _first_edges(cosines: Cosines, k: int) -> scipy.sparse.csr_array:
    """The nearest targets of every row and the nearest rows of every target."""
    n, m = cosines.shape
    best, index, source, sink, value = None, None, [], [], []
    width = min(n, max(FIRST_PER_TARGET, FIRST_PER_SHARE * -(-k // m)))
    for block, cosine in cosines.blocks():
        near, target = cosine.topk(min(m, FIRST_PER_ROW), dim=1)
        number = torch.arange(block.start, block.stop, device=cosine.device)
        source.append(number.repeat_interleave(target.shape[1]))
        sink.append(target.ravel())
        value.append(near.ravel())
        whole = cosine.T if best is None else torch.cat([best, cosine.T], dim=1)
        numbers = number.expand(m, -1) if index is None else torch.cat([index, number.expand(m, -1)], dim=1)
        best, place = whole.topk(min(width, whole.shape[1]), dim=1)
        index = numbers.gather(1, place)
    if best is None or index is None:
        raise ValueError("there are no rows to transport")
    source.append(index.ravel())
    sink.append(torch.arange(m, device=index.device).repeat_interleave(index.shape[1]))
    value.append(best.ravel())
    return _edges_of(source, sink, value, (n, m))


def _cheaper_edges(cosines: Cosines, found: Transport) -> scipy.sparse.csr_array | None:
    """Edges whose cost is below f_i + g_j, the worst few of every row; None where there are none."""
    f, g = torch.from_numpy(found.f).float(), torch.from_numpy(found.g).float()
    source, sink, value = [], [], []
    for block, cosine in cosines.blocks():
        price = g.to(cosine.device) - 1.0
        least = PRICE_TOLERANCE - f[block].to(cosine.device)
        rows = torch.nonzero((cosine + price).amax(dim=1) > least).ravel()
        if not len(rows):
            continue
        worst, place = (cosine[rows] + price).topk(min(ADDED_PER_ROW, len(g)), dim=1)
        which, column = torch.nonzero(worst > least[rows][:, None], as_tuple=True)
        target = place[which, column]
        source.append(rows[which] + block.start)
        sink.append(target)
        value.append(cosine[rows[which], target])
    return _edges_of(source, sink, value, cosines.shape) if source else None


def _edges_of(
    source: list[Tensor], sink: list[Tensor], cosine: list[Tensor], shape: tuple[int, int]
) -> scipy.sparse.csr_array:
    price = 1.0 - torch.cat(cosine).double().cpu().numpy()
    return _distinct_edges(torch.cat(source).cpu().numpy(), torch.cat(sink).cpu().numpy(), price, shape)


def _merge(first: scipy.sparse.csr_array, second: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    a, b = first.tocoo(), second.tocoo()
    return _distinct_edges(
        np.concatenate([a.row, b.row]),
        np.concatenate([a.col, b.col]),
        np.concatenate([a.data, b.data]),
        a.shape,
    )


def _distinct_edges(source: Ints, sink: Ints, cost: Floats, shape: tuple[int, int]) -> scipy.sparse.csr_array:
    key, place = np.unique(source.astype(np.int64) * shape[1] + sink, return_index=True)
    return scipy.sparse.csr_array((cost[place], (key // shape[1], key % shape[1])), shape=shape)
