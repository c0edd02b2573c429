"""Which runs, and in which order: after any prefix the answer is as informative as it can be."""

from collections.abc import Sequence

from benchmarks.quality.data import TASKS
from benchmarks.quality.methods import METHODS
from benchmarks.quality.runs import BASE, Run

K = 160  # 20 steps of 8: one epoch, and 9.5 % of the pool
SMALL_K = 53  # three epochs, 3.1 %
RANDOM_SEEDS = 5
SEEDS = 3
FIRST = ("capacity", "round-robin", "less", "exponentiated")
REST = ("tsds", "unbalanced", "attr-div", "diversity")


def default_plan() -> list[Run]:
    """Everything, the telling comparisons first."""
    plan = [Run(BASE, 0, 0, TASKS)]
    plan += [run for seed in range(SEEDS) for run in of_methods(("random",), K, seed)]
    for methods in (FIRST, REST):
        plan += [run for seed in range(SEEDS) for run in of_methods(methods, K, seed)]
    plan += [run for seed in range(SEEDS, RANDOM_SEEDS) for run in of_methods(("random",), K, seed)]
    plan += [run for seed in range(SEEDS) for run in of_methods(("random", *FIRST), SMALL_K, seed)]
    return plan


def of_methods(methods: Sequence[str], k: int, seed: int, tasks: tuple[str, ...] = TASKS) -> list[Run]:
    """One seed of some methods: a training a task, or one for all tasks where the draw is the same."""
    runs: list[Run] = []
    shared = [name for name in methods if METHODS[name].targetless]
    runs += [Run(name, k, seed, tasks) for name in shared]
    rest = [name for name in methods if name not in shared]
    return runs + [Run(name, k, seed, (task,)) for task in tasks for name in rest]
