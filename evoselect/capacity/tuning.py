"""Choosing lambda and epsilon without test data: held-out folds of the targets, and the curve of the trade-
off (ours).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats
from evoselect.budget import Budget
from evoselect.capacity.optimum import Optimum, at_lambda, optimise, redundancy
from evoselect.features import gather
from evoselect.spec.selection import CAPACITY_EPSILON, CAPACITY_LAMBDA, SelectionSpec
from evoselect.transport import transport_distance

FOLDS = 4
LAMBDAS = (CAPACITY_LAMBDA, 0.0, 0.03, 0.1, 0.3)  # the default first
EPSILONS = (CAPACITY_EPSILON, 0.02, 0.1)
CURVE = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CURVE_ITERATIONS = 200  # per value at most: the curve needs no more than two digits


@dataclass(frozen=True)
class Choice:
    """A setting chosen by folds: its name, the value, and the mean transport to held-out targets at each
    value.
    """

    name: str
    value: float
    held_out: dict[str, float]
    why: str


def resolve(
    pool: Tensor, targets: Tensor, masses: Floats, budget: Budget, spec: SelectionSpec, s: float, seed: int
) -> tuple[SelectionSpec, list[Choice]]:
    """``spec`` with numbers for ``auto``: epsilon first at lambda 0 or the given one, then lambda.

    pool (N, d) and targets (M, d) unit rows, masses (M,) sum 1; ``seed`` cuts the folds.
    """
    choices = []
    if spec.epsilon == "auto":
        base = spec if not isinstance(spec.lam, str) else spec.model_copy(update={"lam": 0.0})
        choice = _by_folds(pool, targets, masses, budget, base, s, seed, "epsilon", EPSILONS)
        spec = spec.model_copy(update={"epsilon": choice.value})
        choices.append(choice)
    if spec.lam == "auto":
        choice = _by_folds(pool, targets, masses, budget, spec, s, seed, "lam", LAMBDAS)
        spec = spec.model_copy(update={"lam": choice.value})
        choices.append(choice)
    return spec, choices


def _by_folds(
    pool: Tensor,
    targets: Tensor,
    masses: Floats,
    budget: Budget,
    spec: SelectionSpec,
    s: float,
    seed: int,
    name: str,
    values: tuple[float, ...],
) -> Choice:
    """The value of least mean transport to held-out folds; the first one unless another wins by its standard
    error.
    """
    m = targets.shape[0]
    if m < 2:
        return Choice(name, values[0], {}, f"{m} target cannot be split into folds: the default")
    fold = np.random.default_rng(seed).permutation(m) % min(FOLDS, m)
    distance = np.array(
        [
            [
                _held_out(
                    pool, targets, masses, budget, spec.model_copy(update={name: value}), s, fold == held
                )
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


def _held_out(
    pool: Tensor,
    targets: Tensor,
    masses: Floats,
    budget: Budget,
    spec: SelectionSpec,
    s: float,
    held: np.ndarray,
) -> float:
    seen = torch.from_numpy(np.flatnonzero(~held)).to(targets.device)
    unseen = torch.from_numpy(np.flatnonzero(held)).to(targets.device)
    found = optimise(pool, targets[seen], masses[~held] / masses[~held].sum(), budget, spec, s)
    chosen = found.problem.shortlist.candidates[found.rounded.chosen]
    rows, supply = gather(pool, torch.from_numpy(chosen)), budget.measure(chosen)
    return transport_distance(rows, targets[unseen], masses[held] / masses[held].sum(), supply)


def tradeoff_curve(
    pool: Tensor, targets: Tensor, found: Optimum, spec: SelectionSpec, s: float
) -> list[dict[str, float]]:
    """Transport and redundancy of the relaxed weights at the values of CURVE and at the selection's own
    lambda, where they are those of the selection.

    pool (N, d) and targets (M, d) are the unit rows that ``found`` was solved for.
    """
    rough = min(spec.max_iterations, CURVE_ITERATIONS)
    curve = []
    for lam in sorted({*CURVE, spec.fixed_lambda}):
        at = found.penalised
        if lam != spec.fixed_lambda:
            other = spec.model_copy(update={"lam": lam, "max_iterations": rough})
            at = at_lambda(pool, targets, found.relaxation, other, s)
        curve.append(
            {
                "lambda": lam,
                "transport": at.relaxed.transport,
                "redundancy": redundancy(pool, found.relaxation, at, spec, s),
                "residual": at.solution.residual,
                "beyond": float(at.problem.masses @ at.solution.leaving),
            }
        )
    return curve
