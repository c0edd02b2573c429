"""Seeded synthetic instances: modes on the unit sphere, off-target noise and near-copies."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from evoselect.select import Texts


@dataclass(frozen=True)
class Instance:
    """Unit rows; ``unseen`` is drawn like the targets and never shown to a method."""

    candidates: Tensor  # (N, d)
    targets: Tensor  # (M, d)
    unseen: Tensor  # (U, d)
    on_target: Tensor  # (N,) bool: drawn from the targets' modes
    groups: list[str] | None = None  # M: each target's mode, where the instance has modes
    texts: Texts | None = None


def synthetic(
    n: int,
    m: int,
    d: int,
    seed: int,
    *,
    modes: int = 20,
    spread: float = 0.8,
    near: float = 0.4,
    copies: float = 0.15,
    balance: float = 2.0,
    unseen: int = 500,
) -> Instance:
    """``near`` of the pool lies in the targets' modes (sizes: Dirichlet ``balance``); ``copies`` repeat."""
    g = torch.Generator().manual_seed(seed)
    centres = normalize(torch.randn(modes, d, generator=g), dim=1)
    gamma = torch.distributions.Gamma(torch.full((modes,), balance), 1.0)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        share = gamma.sample()

    def draw(count: int, weights: Tensor) -> tuple[Tensor, Tensor]:
        mode = torch.multinomial(weights, count, replacement=True, generator=g)
        noise = torch.randn(count, d, generator=g) * (spread / d**0.5)
        return normalize(centres[mode] + noise, dim=1), mode

    inside = int(n * near)
    pool = torch.cat(
        [draw(inside, share.roll(1))[0], normalize(torch.randn(n - inside, d, generator=g), dim=1)]
    )
    count = int(n * copies)
    order = torch.randperm(n, generator=g)
    source, place = order[:count], order[count : 2 * count]
    moved = torch.randn(count, d, generator=g) * (0.1 / d**0.5)
    pool[place] = normalize(pool[source] + moved, dim=1)
    on_target = torch.arange(n) < inside
    on_target[place] = on_target[source].clone()
    targets, mode = draw(m, share)
    return Instance(pool, targets, draw(unseen, share)[0], on_target, [str(name) for name in mode.tolist()])
