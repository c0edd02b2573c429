"""The methods that are compared: which features, how conditioned, which selector."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.quality.world import Side, World
from evoselect.conditioning import Kind, fit
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """One way to draw k candidates for a task."""

    selector: str
    features: str = "product"
    conditioning: Kind = "centred"
    shrinkage: float = 10.0
    settings: dict[str, Any] = field(default_factory=dict)
    without_length: bool = False
    """Whether what the logs of the lengths predict, fitted on the pool, is taken out of the features."""

    @property
    def targetless(self) -> bool:
        """Whether it draws the same for every task."""
        return self.selector in ("random", "diversity")


EARLIER = {"lam": 0.1}  # the default while these variants were measured

METHODS: dict[str, Method] = {
    "random": Method("random"),
    "less": Method("less"),
    "diversity": Method("diversity"),
    "attr-div": Method("attribution_diversity"),
    "round-robin": Method("round_robin"),
    "tsds": Method("tsds"),
    "unbalanced": Method("unbalanced_ot"),
    "exponentiated": Method("exponentiated"),
    "capacity": Method("capacity"),
    # Variants of ours: one thing changed against the default, now or before, named after the plus.
    "capacity+lambda0": Method("capacity", settings={"lam": 0.0}),
    "capacity+lambda0.1": Method("capacity", settings=EARLIER),
    "capacity+lambda1": Method("capacity", settings={"lam": 1.0}),
    "capacity+smooth": Method("capacity", settings={**EARLIER, "epsilon": 0.1}),
    "capacity+whitened": Method("capacity", conditioning="whitened", settings=EARLIER),
    "capacity+no-length": Method("capacity", without_length=True, settings=EARLIER),
    "capacity+whitened-no-length": Method(
        "capacity", conditioning="whitened", without_length=True, settings=EARLIER
    ),
    "capacity+whitened-smooth": Method(
        "capacity", conditioning="whitened", settings={**EARLIER, "epsilon": 0.1}
    ),
    "capacity+top": Method("capacity", "top", settings=EARLIER),
    "capacity+choices": Method("capacity", "choices", settings=EARLIER),
    "capacity+choices-whitened": Method("capacity", "choices", "whitened", settings=EARLIER),
    "capacity+warm": Method("capacity", "warm-top", settings=EARLIER),
    "capacity+warm-choices": Method("capacity", "warm-choices", settings=EARLIER),
    "less+choices": Method("less", "choices"),
}


def draw(method: Method, world: World, task: str, k: int, seed: int) -> Ints:
    """k rows of the pool."""
    if method.selector == "random":  # needs no features, and so no time for them
        return np.random.default_rng(seed).permutation(len(world.data.pool))[:k]
    return draw_from(method, world.side(method.features, task), k, seed)


def draw_from(method: Method, side: Side, k: int, seed: int, rows: Ints | None = None) -> Ints:
    """k rows of the pool by given features; of ``rows`` alone where they are given."""
    candidates, targets = conditioned(method, side)
    rows = np.arange(len(candidates)) if rows is None else rows
    spec = SelectionSpec(method=method.selector, **method.settings)
    found = select(candidates[rows], targets, k, spec, seed=seed, compare_with_baselines=False)
    return rows[found.indices]


def conditioned(method: Method, side: Side) -> tuple[Tensor, Tensor]:
    """Unit rows of pool and target."""
    fitted = fit(side.pool.values.float(), method.conditioning, method.shrinkage)
    pool, target = fitted.apply(side.pool.values.float()), fitted.apply(side.target.values.float())
    if not method.without_length:
        return pool, target
    known, asked = _with_constant(side.pool_lengths), _with_constant(side.target_lengths)
    slopes = torch.linalg.lstsq(known, pool).solution
    return normalize(pool - known @ slopes, dim=1), normalize(target - asked @ slopes, dim=1)


def _with_constant(lengths: Tensor) -> Tensor:
    return torch.cat([torch.ones(len(lengths), 1), lengths], dim=1)
