"""The methods that are compared: which features, how conditioned, which selector."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.quality.names import ALL, CONTROL, MATCHED, OURS, OWN, QUANTILES
from benchmarks.quality.world import World
from evoselect.representations.conditioning import Kind, fit
from evoselect.select import select
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from workers.selections.forms import forms_of

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One matrix of features: rows of norm 1, put beside the others by the root of its share."""

    features: str
    conditioning: Kind = "centred"
    share: float = 1.0
    match: Literal["both", "content"] = "both"


@dataclass(frozen=True)
class Method:
    """One way to draw k candidates for a task."""

    selector: str
    parts: Sequence[Part]
    settings: dict[str, Any] = field(default_factory=dict)


GRADIENT = (Part("gradient"),)
CONTENT = (Part("gradient", match="content"),)
HIDDEN = (Part("hidden"),)
HIDDEN_WHITENED = (Part("hidden", "whitened"),)
BOTH = (Part("gradient", share=0.5), Part("hidden", share=0.5))
BOTH_WHITENED = (Part("gradient", "whitened", 0.5), Part("hidden", "whitened", 0.5))

COMBINED = "capacity+combined"

METHODS: dict[str, Method] = {
    OURS: Method("capacity", GRADIENT),
    "capacity+content": Method("capacity", CONTENT),
    "capacity+hidden-content": Method("capacity", (Part("hidden", "whitened", match="content"),)),
    "capacity+gradient-whitened": Method("capacity", (Part("gradient", "whitened"),)),
    "capacity+hidden": Method("capacity", HIDDEN),
    "capacity+hidden-whitened": Method("capacity", HIDDEN_WHITENED),
    "capacity+both": Method("capacity", BOTH),
    "capacity+both-whitened": Method("capacity", BOTH_WHITENED),
    COMBINED: Method("capacity", (Part("gradient", share=0.3), Part("hidden", "whitened", 0.7))),
    "capacity+chat": Method("capacity", (Part("gradient-chat"),)),
    "less": Method("less", GRADIENT),
    "round-robin": Method("round_robin", GRADIENT),
    "tsds": Method("tsds", GRADIENT),
    "exponentiated": Method("exponentiated", GRADIENT),
    "rds+": Method("round_robin", (Part("hidden-by-position"),)),
}


def draw(name: str, world: World, task: str, k: int, seed: int) -> list[int]:
    """k rows of the pool, or all of them."""
    rng, size = np.random.default_rng(seed), len(world.data.pool)
    if name == CONTROL:
        return [int(row) for row in rng.permutation(size)[:k]]
    if name == ALL:
        return list(range(size))
    if name == OWN:
        return [int(row) for row in rng.permutation(world.own(task))[:k]]
    if name == MATCHED:
        return as_long_as(draw(OURS, world, task, k, 0), world.tokens, rng)
    if name in QUANTILES:
        return [int(row) for row in rng.permutation(fifth(world, task, QUANTILES.index(name)))[:k]]
    return selected(METHODS[name], world, task, k)


def selected(method: Method, world: World, task: str, k: int) -> list[int]:
    """What the method selects; the same for every seed."""
    candidates, targets = side_by_side(method.parts, world, task)
    spec = SelectionSpec(method=method.selector, **method.settings)
    found = select(candidates, targets, k, spec, seed=0, compare_with_baselines=False)
    return [int(row) for row in found.indices]


def fifth(world: World, task: str, number: int) -> Ints:
    """Rows of one fifth of the pool, by each row's cosine to its nearest target; 0 is the nearest fifth."""
    candidates, targets = side_by_side(GRADIENT, world, task)
    order = (candidates @ targets.T).max(dim=1).values.argsort(descending=True, stable=True)
    return np.array_split(order.numpy(), len(QUANTILES))[number]


def side_by_side(parts: Sequence[Part], world: World, task: str) -> tuple[Tensor, Tensor]:
    """Unit rows of pool and target."""
    sides: tuple[list[Tensor], list[Tensor]] = ([], [])
    for part in parts:
        whole = world.features(part.features)
        pool, target = whole[: len(world.data.pool)], whole[world.targets(task)]
        forms = forms_of_pool(world, task) if part.match == "content" else None
        fitted = fit(pool.float(), part.conditioning, forms=forms)
        for side, values in zip(sides, (pool, target), strict=True):
            side.append(fitted.apply(values.float()) * part.share**0.5)
    return torch.cat(sides[0], dim=1), torch.cat(sides[1], dim=1)


def forms_of_pool(world: World, task: str) -> Tensor | None:
    """(n,) which form each of the pool's rows is written in; None where all are written in one."""
    spec = FeatureSpec(kind="combined", match="content")
    forms = forms_of(world.data.pool, world.data.tasks[task].target, spec)
    return forms.of_pool() if forms else None


def as_long_as(chosen: Sequence[int], tokens: Ints, rng: np.random.Generator) -> list[int]:
    """For every chosen row a random one of the 20 nearest in length that are left."""
    left = np.ones(len(tokens), dtype=bool)
    found = []
    for row in rng.permutation(np.array(chosen)):
        near = np.flatnonzero(left)
        near = near[np.argsort(np.abs(tokens[near] - tokens[row]), kind="stable")[:20]]
        found.append(int(rng.choice(near)))
        left[found[-1]] = False
    return found
