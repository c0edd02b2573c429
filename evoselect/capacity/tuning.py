"""Choosing lambda and epsilon without test data (ours).

By held-out folds of the targets; and the curve of the trade-off.
"""

from dataclasses import dataclass

import numpy as np

from evoselect.capacity.optimum import Optimum, alike, at_lambda, redundancy, refine, relax
from evoselect.spec.selection import CAPACITY_EPSILON, CAPACITY_LAMBDA
from evoselect.task import Task
from evoselect.transport import transport_distance

FOLDS = 4
FOLD_EXCHANGES = 16  # per value and fold; 500 moved held-out costs of four small problems by .006, up or down
LAMBDAS = (CAPACITY_LAMBDA, 0.0, 0.03, 0.1, 0.3)  # the default first
EPSILONS = (CAPACITY_EPSILON, 0.02, 0.1)
CURVE = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CURVE_ITERATIONS = 200  # per value at most: the curve needs no more than two digits


@dataclass(frozen=True)
class Choice:
    """A setting chosen by folds: name, value, and the mean transport to held-out targets at each value."""

    name: str
    value: float
    held_out: dict[str, float]
    why: str


def resolve(task: Task) -> tuple[Task, list[Choice]]:
    """``task`` with numbers for ``auto``: epsilon first at lambda 0 or the given one, then lambda.

    Its seed cuts its targets (M, d) into folds.
    """
    choices = []
    if task.spec.epsilon == "auto":
        base = task if not isinstance(task.spec.lam, str) else task.with_settings(lam=0.0)
        choices.append(_by_folds(base, "epsilon", EPSILONS))
        task = task.with_settings(epsilon=choices[-1].value)
    if task.spec.lam == "auto":
        choices.append(_by_folds(task, "lam", LAMBDAS))
        task = task.with_settings(lam=choices[-1].value)
    return task, choices


def _by_folds(task: Task, name: str, values: tuple[float, ...]) -> Choice:
    """The value of least mean transport to held-out folds.

    It is the first one unless another wins by its standard error.
    """
    if task.m < 2:
        return Choice(name, values[0], {}, f"{task.m} target cannot be split into folds: the default")
    fold = task.rng.permutation(task.m) % min(FOLDS, task.m)
    distance = np.array(
        [
            [
                held_out(task.with_settings(**{name: value}), fold == held)
                for held in range(int(fold.max()) + 1)
            ]
            for value in values
        ]
    )
    lead = distance[0] - distance
    error = lead.std(axis=1, ddof=1) / np.sqrt(distance.shape[1])
    best = int(np.argmin(distance.mean(axis=1)))
    wins = bool(lead[best].mean() > error[best])
    means = {str(value): float(mean) for value, mean in zip(values, distance.mean(axis=1), strict=True)}
    if not wins:
        return Choice(
            name, values[0], means, "no value beats the default by more than the standard error of the folds"
        )
    return Choice(
        name, values[best], means, "least transport to held-out targets, by more than its standard error"
    )


def held_out(task: Task, held: np.ndarray) -> float:
    """Transport from what the budget buys for the other targets to the targets ``held`` (M,) bool."""
    rest = task.with_targets(np.flatnonzero(~held))
    found = refine(rest, relax(rest), exchanges=FOLD_EXCHANGES)
    unseen = task.with_targets(np.flatnonzero(held))
    chosen = found.problem.shortlist.candidates[found.rounded.chosen]
    rows, supply = task.pool.gather(chosen), task.budget.measure(chosen)
    return transport_distance(rows, unseen.targets, unseen.masses, supply)


def tradeoff_curve(task: Task, found: Optimum) -> list[dict[str, float]]:
    """Transport and redundancy of the relaxed weights at each lambda of CURVE and at the selection's own.

    At its own lambda the weights are those of the selection.

    ``found`` was solved for pool (N, d) and targets (M, d) of ``task``.
    """
    spec = task.spec
    rough = min(spec.max_iterations, CURVE_ITERATIONS)
    values = sorted({*CURVE, spec.fixed_lambda})
    known = alike(task.with_settings(lam=values[-1]), found.relaxation)
    curve = []
    for lam in values:
        at = found.penalised
        if lam != spec.fixed_lambda:
            at = at_lambda(task.with_settings(lam=lam, max_iterations=rough), found.relaxation, known)
        curve.append(
            {
                "lambda": lam,
                "transport": at.relaxed.transport,
                "redundancy": redundancy(task, found.relaxation, at, known),
                "residual": at.solution.residual,
                "beyond": float(at.problem.masses @ at.solution.leaving),
            }
        )
    return curve
