"""What a selection is worth, measured on features: transport distance, redundancy, Vendi score, coverage."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Ints
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
    scores = {
        "random": random_scores(task.n, task.seed + 1),
        "top_relevance": task.pool.scores(mean_target(task.targets)),
    }
    rivals = {name: task.budget.fill(top(score, task.n)) for name, score in scores.items()}
    report = {"selected": _measure(task, order)}
    report["selected"]["transport_whole"] = transport
    for name, rival in rivals.items():
        report[name] = _measure(task, rival)
    return report


def _measure(task: Task, order: Ints) -> dict[str, float]:
    part = order
    if len(order) > MAX_ROWS:
        part = np.random.default_rng(task.seed).choice(order, MAX_ROWS, replace=False)
    rows = task.pool.gather(part)
    return {
        "rows": len(part),
        "transport": transport_distance(rows, task.targets, task.masses, task.budget.measure(part)),
        "redundancy": diversity.mean_redundancy(rows, task.bandwidth),
        "vendi": vendi_score(rows),
        "coverage": coverage(rows, task.targets, task.masses)[0],
    }
