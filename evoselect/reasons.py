"""Why each selected row was selected: from the optimal transport of the selected set, for every method."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.neighbours.pairs import edge_cosines
from evoselect.neighbours.search import search
from evoselect.redundancy import diversity
from evoselect.selection import Served
from evoselect.transport import Transport

NEAR_TARGETS = 3  # named per item
MIN_CROWD = 64  # selected rows around a target among which twins are looked for;
CROWD_PER_SHARE = 4  # or this many times the k / M that it takes on average
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Evidence:
    """Columns in the order of the selected rows (k, d)."""

    redundancy: Floats  # (k,) sum of similarities to the other selected rows
    nearest_selected: Ints  # (k,) place of the most similar selected row, -1 for none
    target: Ints  # (k, t) targets by transported mass, -1 where the row serves fewer
    cosine: Floats  # (k, t)
    mass: Floats  # (k, t)


def collect(
    rows: Tensor,
    targets: Tensor,
    transport: Transport,
    *,
    s: float,
    similarity: scipy.sparse.csr_array | None,
) -> Evidence:
    """Evidence for the selected rows (k, d), which ``transport`` carries to targets (M, d).

    ``s`` is the bandwidth of their ``similarity`` (k, k), which is computed unless the method knows it.
    """
    graph = _similarity(rows, targets, s) if similarity is None else similarity
    target, mass = _largest(transport)
    goal = targets.to(rows.device).float()[torch.from_numpy(np.maximum(target, 0)).to(rows.device)]
    cosine = torch.einsum("kd,ktd->kt", rows.float(), goal).double().cpu().numpy()
    redundancy = np.asarray(graph.sum(axis=1)).ravel()
    return Evidence(
        redundancy, diversity.nearest_twin(graph), target, np.where(target < 0, 0.0, cosine), mass
    )


def served(transport: Transport, rows: Tensor, targets: Tensor) -> Served:
    """The plan summed by target: mass, mean cost and rows that it comes from; rows (k, d), targets (M, d)."""
    plan = transport.plan.tocoo()
    cost = np.maximum(0.0, 1.0 - edge_cosines(rows.float(), targets, plan.row, plan.col))
    count = targets.shape[0]
    mass = np.bincount(plan.col, plan.data, minlength=count).astype(np.float64)
    paid = np.bincount(plan.col, plan.data * cost, minlength=count)
    used = np.bincount(plan.col[plan.data > 0], minlength=count)
    return Served(mass, paid / np.maximum(mass, TINY), used)


def _similarity(rows: Tensor, targets: Tensor, s: float) -> scipy.sparse.csr_array:
    """(k, k) similarities, among the rows nearest to each target where all pairs are too many."""
    k, m = rows.shape[0], targets.shape[0]
    if k <= diversity.BRUTE_ROWS:
        return diversity.graph_of_all(rows, s)
    width = min(k, max(MIN_CROWD, CROWD_PER_SHARE * -(-k // m)))
    cosine, index = search(rows, targets, width)
    bounds = np.arange(0, m * width + 1, width)
    near = scipy.sparse.csr_array((-cosine.numpy().ravel(), index.numpy().ravel(), bounds), shape=(m, k))
    return diversity.similarity_graph(rows, near, s)


def _largest(transport: Transport) -> tuple[Ints, Floats]:
    """(k, t) targets and masses of each row's largest entries."""
    plan = transport.plan.tocsr()
    k = plan.shape[0]
    row = np.repeat(np.arange(k), np.diff(plan.indptr))
    order = np.lexsort((plan.indices, -plan.data, row))
    rank = np.arange(len(row)) - plan.indptr[:-1][row]
    kept = (rank < NEAR_TARGETS) & (plan.data[order] > 0)
    target = np.full((k, NEAR_TARGETS), -1, dtype=np.int64)
    mass = np.zeros((k, NEAR_TARGETS))
    target[row[kept], rank[kept]] = plan.indices[order][kept]
    mass[row[kept], rank[kept]] = plan.data[order][kept]
    return target, mass
