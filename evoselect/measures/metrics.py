"""What a selection is worth, measured on features: transport distance, redundancy, Vendi score, coverage."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity.foreseen import mean_target
from evoselect.measures.coverage import coverage
from evoselect.redundancy import diversity
from evoselect.task import Task, random_scores, top
from evoselect.transport import transport_distance

MAX_ROWS = 2_000  # of a selection that are compared: Vendi and all-pairs redundancy grow faster than its size


def vendi_score(rows: Tensor) -> float:
    """Effective number of rows (n, d), 1 to n: the Vendi score (Friedman and Dieng 2023).

    exp of the entropy of the eigenvalues of X X' / n.
    """
    matrix = rows.double()
    n, d = matrix.shape
    gram = matrix @ matrix.T if n <= d else matrix.T @ matrix
    values = torch.linalg.eigvalsh(gram).clamp_min(0.0)
    share = values[values > 0] / values.sum()
    return float(torch.exp(-(share * share.log()).sum()))


def compare(task: Task, order: Ints, transport: float) -> dict[str, dict[str, float]]:
    """The selection ``order`` (k,) against a random draw and the top by mean cosine, all of the same budget.

    Selections above MAX_ROWS are compared on MAX_ROWS rows drawn from each; ``rows`` says how many were used.
    """
    relevance = task.pool.scores(mean_target(task.targets))
    rivals = {
        "random": drawn(task.n, task.budget, task.seed),
        "top_relevance": bought(task.budget, relevance),
    }
    report = {"selected": _measure(task, order)}
    report["selected"]["transport_whole"] = transport
    for name, rival in rivals.items():
        report[name] = _measure(task, rival)
    return report


def drawn(n: int, budget: Budget, seed: int) -> Ints:
    """(k,) what a budget over n rows buys of them in a random order."""
    return bought(budget, random_scores(n, seed + 1))


def bought(budget: Budget, score: Floats) -> Ints:
    """(k,) what a budget over n rows buys of them, the largest of score (n,) first, ties by index."""
    wanted = budget.total + len(budget.pinned) if budget.uniform else len(score)
    return budget.fill(top(score, min(wanted, len(score))))


def measured(order: Ints, seed: int) -> Ints:
    """order (k,) of a selection -> (c,) the rows of it that are compared."""
    few = len(order) <= MAX_ROWS
    return order if few else np.random.default_rng(seed).choice(order, MAX_ROWS, replace=False)


def _measure(task: Task, order: Ints) -> dict[str, float]:
    part = measured(order, task.seed)
    rows = task.pool.gather(part)
    return {
        "rows": len(part),
        "transport": transport_distance(rows, task.targets, task.masses, task.budget.measure(part)),
        "redundancy": diversity.mean_redundancy(rows, task.bandwidth),
        "vendi": vendi_score(rows),
        "coverage": coverage(rows, task.targets, task.masses)[0],
    }
