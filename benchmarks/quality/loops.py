"""Two rounds of k / 2 at the budget of one selection of k: select, train, select again, train on from there.

Each round has half the steps, an epoch of what it selected. The second selection is made twice from the same
first round: of what is left (consume-once) and of the whole pool. Arms differ in the gradients that a round
selects by: of the trained layers at the model of the round before (``current``), the service's own at the
base model (``fixed``), or none (``random``).
"""

import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.quality.methods import METHODS, Ints, draw, draw_from
from benchmarks.quality.names import AGAIN, FIRST, LOOPS, OUR_ARM, RANDOM_ARM, SECOND
from benchmarks.quality.training import STEPS, go_on, train
from benchmarks.quality.world import World


def rounds(arm: str, k: int, seed: int, task: str, world: World) -> Iterator[tuple[str, list[int], Any]]:
    """Of each part its name, the rows trained on until then, and the trained model."""
    half, steps = k // 2, STEPS // 2
    first = draw(METHODS[LOOPS[arm]], world, task, half, seed)
    model = train(world.top, world.examples, first.tolist(), steps, seed)
    yield arm + FIRST, first.tolist(), model
    left = np.setdiff1d(np.arange(len(world.data.pool)), first)
    second = _second(arm, model, first, half, seed, task, world)
    for part, offered in ((SECOND, left), (AGAIN, np.arange(len(world.data.pool)))):
        chosen = second(offered)
        further = copy.deepcopy(model)
        go_on(further, world.examples, chosen.tolist(), steps, seed + 1)
        yield arm + part, [*first.tolist(), *chosen.tolist()], further


def _second(arm: str, model: Any, first: Ints, half: int, seed: int, task: str, world: World) -> Any:
    """What selects the second half from the offered rows."""
    method = METHODS[LOOPS[arm]]
    if arm == RANDOM_ARM:
        return lambda offered: np.random.default_rng((seed, 1)).permutation(offered)[:half]
    if arm == OUR_ARM:
        training = hashlib.sha256(f"{first.tolist()} {seed} {STEPS}".encode()).hexdigest()
        side = world.side_after(model, training, task)
    else:
        side = world.side(method.features, task)
    return lambda offered: draw_from(method, side, half, seed, offered)
