"""Baselines of pure diversity: gradient clusters, attribution first, facility location.

Gradient clusters are the paper's "Diversity".
"""

import heapq

import faiss
import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.cosines import mean_cosine_scores
from evoselect.features import gather, row_blocks
from evoselect.task import Chosen, Task, in_order, scored, top

ROWS_PER_CLUSTER = 20  # clusters of about this many rows; Prismatic Synthesis leaves the number open
MAX_CLUSTERS = 256
KMEANS_ITERATIONS = 20
DROPPED_SHARE = 0.25  # of the pool, by attribution, before diversity
MAX_REPRESENTATIVES = 4_096  # rows whose coverage facility location maximises; a seeded sample above that


def diversity(task: Task) -> Chosen:
    """Cluster the features, then take from the smallest clusters first until the budget is level."""
    order = _level_clusters(task, np.arange(task.n, dtype=np.int64))
    return in_order(order)


def attribution_diversity(task: Task) -> Chosen:
    """Drop the quarter of the pool of least mean cosine (never below k), then ``diversity``."""
    kept = max(task.k, task.n - int(DROPPED_SHARE * task.n))
    rows = np.sort(top(mean_cosine_scores(task.candidates, task.targets), kept))
    return in_order(_level_clusters(task, rows))


def facility_location(task: Task) -> Chosen:
    """Greedy maximum of sum_r max_{s in S} x_r.x_s, lazily (Minoux 1978); no target is looked at."""
    chosen = task.rng.permutation(task.n)[: min(task.n, MAX_REPRESENTATIVES)]
    crowd = gather(task.candidates, torch.from_numpy(np.sort(chosen)))
    covered = torch.full((crowd.shape[0],), -1.0, device=crowd.device)
    first = torch.cat(
        [(task.candidates[b].float() @ crowd.T + 1.0).sum(dim=1) for b in row_blocks(task.candidates)]
    )
    heap = [(-float(gain), row, 0) for row, gain in enumerate(first.cpu().tolist())]
    heapq.heapify(heap)
    order: list[int] = []
    gains: list[float] = []
    while len(order) < task.k:
        bound, row, seen = heapq.heappop(heap)
        if seen < len(order):
            gain = float((crowd @ _row(task, row) - covered).clamp_min(0.0).sum())
            heapq.heappush(heap, (-gain, row, len(order)))
            continue
        covered = torch.maximum(covered, crowd @ _row(task, row))
        order.append(row)
        gains.append(-bound)
    return scored(np.array(order, dtype=np.int64), np.array(gains), representatives=crowd.shape[0])


def _row(task: Task, row: int) -> Tensor:
    return gather(task.candidates, torch.tensor([row]))[0]


def _level_clusters(task: Task, rows: Ints) -> Ints:
    """k of ``rows``: every cluster gives equally until it is empty, in a seeded random order within."""
    label = _clusters(task, rows)
    shuffled = task.rng.permutation(len(rows))
    turn = np.empty(len(rows), dtype=np.int64)
    for cluster in np.unique(label):
        members = shuffled[label[shuffled] == cluster]
        turn[members] = np.arange(len(members))
    size = np.bincount(label)[label]
    return np.asarray(rows[np.lexsort((rows, size, turn))[: task.k]])


def _clusters(task: Task, rows: Ints) -> Floats | Ints:
    count = max(1, min(MAX_CLUSTERS, len(rows) // ROWS_PER_CLUSTER))
    data = gather(task.candidates, torch.from_numpy(rows)).cpu().numpy()
    means = faiss.Kmeans(
        data.shape[1],
        count,
        niter=KMEANS_ITERATIONS,
        seed=task.seed,
        spherical=True,
        min_points_per_centroid=1,
    )
    means.train(data)
    return np.asarray(means.index.search(data, 1)[1].ravel())
