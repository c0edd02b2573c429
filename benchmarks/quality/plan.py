"""Which runs, and in which order: after any prefix the answer is as informative as it can be."""

from collections.abc import Sequence

from benchmarks.quality.data import TASKS
from benchmarks.quality.methods import METHODS
from benchmarks.quality.names import BASE, EARLIER, LOOPS, RANDOM_ARM
from benchmarks.quality.runs import Run

K = 160  # 20 steps of 8: one epoch, and 9.5 % of the pool
SMALL_K = 53  # three epochs, 3.1 %
RANDOM_SEEDS = 5
SEEDS = 3
FIRST = ("capacity", "round-robin", "less", "exponentiated")
VARIANTS = ("capacity+whitened", "capacity+choices")
REST = ("tsds", "unbalanced", "attr-div", "diversity")
CONDITIONED = (EARLIER, "capacity+whitened-smooth", "capacity+whitened")
ONE_SHOT = ("capacity+top",)  # against the loop whose gradients are those of the trained layers


def default_plan() -> list[Run]:
    """Everything, the telling comparisons first."""
    plan = [Run(BASE, 0, 0, TASKS)]
    plan += _seeds(("random",), K, 0, 2) + _seeds(FIRST, K, 0, 1) + _seeds(("random",), K, 2, RANDOM_SEEDS)
    plan += _seeds(VARIANTS, K, 0, 1) + _seeds(REST, K, 0, 1) + _seeds(FIRST, K, 1, 2)
    plan += _seeds(CONDITIONED, K, 1, SEEDS) + _loops(0, 1) + _seeds(ONE_SHOT, K, 0, 1)
    plan += _seeds(("random",), SMALL_K, 0, SEEDS) + _seeds(FIRST, SMALL_K, 0, 1)
    plan += _seeds(("capacity+warm",), K, 0, 1) + _loops(1, 2) + _seeds(ONE_SHOT, K, 1, 2)
    plan += _seeds((*FIRST, *VARIANTS), K, 1, SEEDS) + _seeds(REST, K, 1, SEEDS)
    return plan + _seeds(FIRST, SMALL_K, 1, SEEDS)


def redundant_plan() -> list[Run]:
    """For the pool that repeats itself: fewer wanted than the target's set has questions."""
    plan = [Run(BASE, 0, 0, TASKS), *_seeds(("random",), SMALL_K, 0, SEEDS)]
    return plan + _seeds((*FIRST, "tsds", "capacity+lambda0", EARLIER, "capacity+lambda1"), SMALL_K, 0, 2)


def _loops(start: int, stop: int) -> list[Run]:
    """The random arm does not look at the target: it is trained once for all tasks."""
    return [
        Run(arm, K, seed, tasks)
        for seed in range(start, stop)
        for arm in LOOPS
        for tasks in ([TASKS] if arm == RANDOM_ARM else [(task,) for task in TASKS])
    ]


def _seeds(methods: Sequence[str], k: int, start: int, stop: int) -> list[Run]:
    return [run for seed in range(start, stop) for run in of_methods(methods, k, seed)]


def of_methods(methods: Sequence[str], k: int, seed: int, tasks: tuple[str, ...] = TASKS) -> list[Run]:
    """One seed of some methods: a training a task, or one for all tasks where the draw is the same."""
    runs: list[Run] = []
    shared = [name for name in methods if METHODS[name].targetless]
    runs += [Run(name, k, seed, tasks) for name in shared]
    rest = [name for name in methods if name not in shared]
    return runs + [Run(name, k, seed, (task,)) for task in tasks for name in rest]
