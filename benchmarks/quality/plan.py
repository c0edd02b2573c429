"""Which runs, and in which order: after any prefix the answer is as informative as it can be."""

from collections.abc import Sequence

from benchmarks.quality.data import DEVELOPMENT, REPORTING
from benchmarks.quality.methods import COMBINED
from benchmarks.quality.names import ALL, BASE, CONTROL, MATCHED, OURS, OWN, TARGETLESS
from benchmarks.quality.runs import Run

K = 160  # 20 steps of 8: one epoch, and about 10 % of the pool
SMALL_K = 80  # two epochs, about 5 %
RANDOM_SEEDS = 5
VARIANTS = (
    OURS,
    "capacity+hidden-whitened",
    "capacity+both-whitened",
    "capacity+both",
    "capacity+hidden",
    "capacity+gradient-whitened",
)
BASELINES = ("rds+", "less", "round-robin", "tsds", "exponentiated")

EVERY = (*DEVELOPMENT, *REPORTING)


def admission_plan() -> list[Run]:
    """What tells whether a task has room: the base model, random draws, the task's own rows."""
    return [Run(BASE, 0, 0, EVERY), *of_methods((CONTROL,), K, 0, EVERY), *of_methods((OWN,), K, 0, EVERY)]


def development_plan() -> list[Run]:
    """What the default is chosen by."""
    plan = [Run(BASE, 0, 0, EVERY), *of_methods((CONTROL,), K, 0, EVERY)]
    plan += of_methods(VARIANTS, K, 0, DEVELOPMENT)
    plan += [run for seed in (1, 2) for run in of_methods((CONTROL,), K, seed, EVERY)]
    return plan + of_methods(VARIANTS, K, 1, DEVELOPMENT)


def reporting_plan() -> list[Run]:
    """What the chosen default is judged by."""
    plan = of_methods((OURS, COMBINED), K, 0, REPORTING)
    plan += of_methods(("rds+", "less"), K, 0, REPORTING)
    plan += [run for seed in (1, 2) for run in of_methods((CONTROL,), K, seed, EVERY)]
    plan += of_methods((OURS, MATCHED), K, 1, REPORTING)
    plan += of_methods(BASELINES, K, 0, REPORTING)
    plan += [run for seed in range(3, RANDOM_SEEDS) for run in of_methods((CONTROL,), K, seed, EVERY)]
    plan += of_methods((MATCHED, OWN), K, 0, REPORTING)
    plan += of_methods((COMBINED, *BASELINES), K, 1, REPORTING)
    plan += of_methods((ALL,), K, 0, EVERY)
    plan += [
        run for seed in (0, 1) for run in of_methods((CONTROL, OURS, COMBINED, "rds+", "less"), SMALL_K, seed)
    ]
    return plan


def default_plan() -> list[Run]:
    """Everything."""
    return [*admission_plan(), *development_plan(), *reporting_plan()]


def of_methods(methods: Sequence[str], k: int, seed: int, tasks: tuple[str, ...] = REPORTING) -> list[Run]:
    """One seed of some methods: a training a task, or one for all tasks where the draw is the same."""
    runs = [Run(name, k, seed, tasks) for name in methods if name in TARGETLESS]
    return runs + [
        Run(name, k, seed, (task,)) for task in tasks for name in methods if name not in TARGETLESS
    ]
