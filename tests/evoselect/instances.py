"""Seeded instances of the selection problem: modes, off-target noise and near-duplicates on the sphere."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.pools.pool import Pool


@dataclass(frozen=True)
class Instance:
    candidates: Tensor  # (N, d)
    targets: Tensor  # (M, d)
    unseen: Tensor  # (U, d), drawn like the targets

    @property
    def pool(self) -> Pool:
        return Pool.of(self.candidates)


def unit(matrix: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy((matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32))


def instance(
    n: int,
    m: int,
    d: int,
    seed: int = 0,
    *,
    modes: int = 8,
    spread: float = 0.8,
    on_target: float = 0.4,
    twins: float = 0.15,
) -> Instance:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(modes, d))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    share = rng.dirichlet(np.full(modes, 2.0))

    def draw(count: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        noise = spread * rng.normal(size=(count, d)) / np.sqrt(d)
        return np.asarray(centres[rng.choice(modes, count, p=weights)] + noise)

    near = draw(int(n * on_target), np.roll(share, 1))
    far = rng.normal(size=(n - len(near), d))
    pool = np.asarray(unit(np.concatenate([near, far])))
    copies = int(n * twins)
    source, place = rng.permutation(n)[: 2 * copies].reshape(2, copies)
    pool[place] = pool[source] + 0.1 * rng.normal(size=(copies, d)) / np.sqrt(d)
    return Instance(unit(pool), unit(draw(m, share)), unit(draw(300, share)))
