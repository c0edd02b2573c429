"""TSDS (Liu, Karbasi and Rekatsinas 2024): transport to the pool's neighbours, spread by kernel density.

Built from the published formulae with exact search, finite guards and a fixed size: the released code draws
with replacement and without a seed (``as_released`` keeps the replacement, seeded, and tops up what it falls
short).
"""

import heapq

import numpy as np
import torch

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, gather, row_blocks
from evoselect.neighbours.search import search
from evoselect.task import Chosen, Task, scored, top

ALPHA = 0.5
C = 5.0
SIGMA = 0.75
MAX_NEIGHBOURS = 5_000
MAX_DENSITY_NEIGHBOURS = 1_000
UNIFORM_ALPHA = 0.01


def tsds(task: Task) -> Chosen:
    """The k candidates most probable under TSDS-KDE, or Gumbel draws where ``as_released``."""
    width = max(2, min(MAX_NEIGHBOURS, task.n // 10)) if task.n > 1 else 1
    distance, index = _neighbours(task, width)
    density = _density(task.candidates, index, max(1, min(MAX_DENSITY_NEIGHBOURS, task.n // 10)))
    p = probabilities(distance, index, density, n=task.n, alpha=ALPHA, c=C)
    return _fixed_size(task, p, distance, index)


def tsds_uniform(task: Task) -> Chosen:
    """KNN-Uniform: the least K whose spread pays, then equal mass on every target's K nearest candidates."""
    width = min(MAX_NEIGHBOURS, task.n)
    cosine, index = search(task.candidates, task.targets, width)
    distance = 1.0 - cosine.double().numpy()
    kept = _uniform_width(distance, UNIFORM_ALPHA, C)
    p = np.bincount(index.numpy()[:, :kept].ravel(), minlength=task.n) / (kept * task.m)
    return _fixed_size(task, p, distance, index.numpy())


def probabilities(
    distance: Floats, index: Ints, density: Floats, *, n: int, alpha: float, c: float
) -> Floats:
    """(n,) probabilities of the candidates.

    distance (M, K) ascending in each row, index (M, K) candidate rows, density (n,) kernel densities >= 1.
    The cap per candidate is 1 / (density M s): s grows, targets spill to further neighbours, until the spread
    costs more than alpha weighs it.
    """
    m, width = distance.shape
    share = 1.0 / density[index]
    last, s = _spill(distance, share, alpha, c)
    p = np.zeros(n)
    for i in range(m):
        mass = share[i, : last[i] + 1] / (m * s)
        np.add.at(p, index[i, : last[i] + 1], mass)
        p[index[i, min(last[i] + 1, width - 1)]] += max(1.0 / m - mass.sum(), 0.0)
    return p


def _spill(distance: Floats, share: Floats, alpha: float, c: float) -> tuple[Ints, float]:
    m, width = distance.shape
    last = np.zeros(m, dtype=np.int64)
    weighted = distance[:, 0] * share[:, 0]
    cost = np.zeros(m)
    total, s = 0.0, float(share[:, 0].min())
    heap = [(float(share[i, 0]), 0, i) for i in range(m)]
    heapq.heapify(heap)
    while heap and width > 1:
        mass, place, i = heapq.heappop(heap)
        s = mass
        now = float(distance[i, place + 1] * mass - weighted[i])
        total += now - cost[i]
        cost[i] = now
        if alpha / c * total >= (1.0 - alpha) * m:
            break
        last[i] = place
        if place < width - 2:
            weighted[i] += distance[i, place + 1] * share[i, place + 1]
            heapq.heappush(heap, (mass + float(share[i, place + 1]), place + 1, i))
    return last, s


def _uniform_width(distance: Floats, alpha: float, c: float) -> int:
    m, width = len(distance), len(distance[0])
    before = np.cumsum(distance, axis=1)
    for kept in range(1, width):
        if alpha / c * float((kept * distance[:, kept] - before[:, kept - 1]).sum()) >= (1.0 - alpha) * m:
            return kept
    return width


def _neighbours(task: Task, width: int) -> tuple[Floats, Ints]:
    """(M, K) Euclidean distances, ascending, and candidate rows."""
    cosine, index = search(task.candidates, task.targets, width)
    return np.sqrt(np.maximum(2.0 - 2.0 * cosine.double().numpy(), 0.0)), index.numpy()


def _density(candidates: Matrix, index: Ints, width: int) -> Floats:
    """(N,) kernel sums over the ``width`` nearest neighbours u' in the union of ``index``.

    Each neighbour adds max(0, 1 - |x - u'|^2 / sigma^2).
    """
    union = np.unique(index)
    rows = gather(candidates, torch.from_numpy(union))
    near = min(width, len(union))
    parts = []
    for block in row_blocks(rows):
        cosine = (rows[block] @ rows.T).topk(near, dim=1).values
        parts.append((1.0 - (2.0 - 2.0 * cosine) / SIGMA**2).clamp_min(0.0).sum(dim=1).clamp_min(1.0))
    density = np.ones(candidates.shape[0])
    density[union] = torch.cat(parts).double().cpu().numpy()
    return density


def _fixed_size(task: Task, p: Floats, distance: Floats, index: Ints) -> Chosen:
    if task.spec.as_released:
        drawn = task.rng.choice(task.n, size=task.k, replace=True, p=p / p.sum())
        order = np.unique(drawn)
        order = order[top(p[order], len(order))]
    else:
        order = top(p, min(task.k, int((p > 0).sum())))
    missing = task.k - len(order)
    added = _nearest_of_rest(task, order, distance, index)[:missing]
    whole = np.concatenate([order, added])
    return scored(whole, p[whole], positive_probability=int((p > 0).sum()), topped_up=missing)


def _nearest_of_rest(task: Task, taken: Ints, distance: Floats, index: Ints) -> Ints:
    """Candidates outside ``taken`` by distance to their nearest target.

    Those near no target come last, by row.
    """
    closest = np.full(task.n, np.inf)
    np.minimum.at(closest, index.ravel(), distance.ravel())
    closest[taken] = np.nan
    order = np.lexsort((np.arange(task.n), closest))
    return order[: task.n - len(taken)]
