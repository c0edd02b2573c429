"""TAROT (Feng et al. 2025): whitened cosine layers, trimmed by transport potentials.

``as_released`` reproduces what the released code computes: the transposed factor in the whitening (which does
not whiten), the largest potentials kept, and the layer that failed the test of the data-driven size.
"""

import numpy as np
import ot
import scipy.linalg
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.baselines.transport_scores import source_potential
from evoselect.cosines import dense_cosine
from evoselect.task import Chosen, Task, in_order, within_memory

SHRINKAGE = 1e-3  # ridge as a share of the mean variance
RELEASED_RIDGE = 1e-5
BLUR = 0.01
FOLDS = 10


def tarot(task: Task) -> Chosen:
    """k candidates: whole layers of every target's next best, the last one trimmed by potential."""
    within_memory(task, "tarot")
    candidates, targets = whitened(task.candidates[:], task.targets, as_released=task.spec.as_released)
    cosine = dense_cosine(candidates, targets)
    rank = np.argsort(-cosine, axis=0, kind="stable")
    chosen: list[int] = []
    for layer in rank:
        new = [int(row) for row in dict.fromkeys(layer.tolist()) if row not in set(chosen)]
        if len(chosen) + len(new) > task.k:
            chosen += _trim(cosine, np.array(new), task.k - len(chosen), largest=task.spec.as_released)
            break
        chosen += new
        if len(chosen) == task.k:
            break
    return in_order(np.array(chosen, dtype=np.int64))


def data_driven_size(task: Task) -> Ints:
    """TAROT's own choice of size -> (k,) rows, ascending.

    Per fold of the targets, layers are added while the transport to the other folds falls.
    """
    candidates, targets = whitened(task.candidates[:], task.targets, as_released=task.spec.as_released)
    cosine = dense_cosine(candidates, targets)
    rank = np.argsort(-cosine, axis=0, kind="stable")
    fold = np.random.default_rng(task.seed).permutation(task.m) % min(FOLDS, task.m)
    chosen: set[int] = set()
    for held in range(fold.max() + 1):
        chosen |= _grow(cosine, rank, fold == held, task.spec.as_released)
    return np.array(sorted(chosen), dtype=np.int64)


def whitened(candidates: Tensor, targets: Tensor, *, as_released: bool) -> tuple[Tensor, Tensor]:
    """Unit rows after joint centring and whitening by the Cholesky factor: F (L^-1)', released: F L^-1.

    candidates (N, d), targets (M, d) -> the same shapes, (N, d) and (M, d) float32. A ridge keeps the
    covariance positive definite.
    """
    joint = torch.cat([candidates, targets.to(candidates.device)]).double()
    joint = joint - joint.mean(dim=0)
    covariance = joint.T @ joint / joint.shape[0]
    ridge = RELEASED_RIDGE if as_released else max(SHRINKAGE * float(covariance.diagonal().mean()), 1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(covariance.shape[0], dtype=torch.float64))
    if as_released:
        white = torch.from_numpy(scipy.linalg.solve_triangular(factor.T.numpy(), joint.T.numpy()).T.copy())
    else:
        white = torch.linalg.solve_triangular(factor, joint.T, upper=False).T
    unit = white / torch.linalg.vector_norm(white, dim=1, keepdim=True).clamp_min(1e-12)
    return unit[: candidates.shape[0]].float(), unit[candidates.shape[0] :].float()


def _distance(cosine: Floats) -> Floats:
    return np.sqrt(np.abs(2.0 - 2.0 * cosine))


def _trim(cosine: Floats, layer: Ints, count: int, *, largest: bool) -> list[int]:
    """``count`` of ``layer`` by transport potential: the cheapest to transport, released: the dearest."""
    if count == 0:
        return []
    f, _ = source_potential(np.ascontiguousarray(_distance(cosine[layer])), BLUR)
    order = np.lexsort((layer, -f if largest else f))
    return [int(row) for row in layer[order[:count]]]


def _grow(cosine: Floats, rank: Ints, held: np.ndarray, as_released: bool) -> set[int]:
    best, kept = np.inf, set[int]()
    for layers in range(1, len(rank) + 1):
        block = rank[:layers, held]
        positive = np.take_along_axis(cosine[:, held], block, axis=0) > 0
        chosen = set(block[positive].tolist())
        distance = _mean_transport(cosine, np.array(sorted(chosen), dtype=np.int64), ~held)
        if distance >= best:
            return chosen if as_released else kept
        best, kept = distance, chosen
    return kept


def _mean_transport(cosine: Floats, rows: Ints, reference: np.ndarray) -> float:
    if not len(rows) or not reference.any():
        return float("inf")
    cost = np.ascontiguousarray(_distance(cosine[np.ix_(rows, np.flatnonzero(reference))]))
    a, b = np.full(cost.shape[0], 1.0 / cost.shape[0]), np.full(cost.shape[1], 1.0 / cost.shape[1])
    return float((ot.bregman.sinkhorn_log(a, b, cost, BLUR, numItermax=500, warn=False) * cost).sum())
