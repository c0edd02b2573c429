"""What a selection is worth, measured on features: transport distance, redundancy, Vendi score, coverage."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.baselines.scores import mean_cosine_scores, random_scores
from evoselect.features import gather
from evoselect.measures.coverage import coverage
from evoselect.redundancy import diversity
from evoselect.task import top
from evoselect.transport import transport_distance

MAX_ROWS = 2_000  # of a selection that are compared: Vendi and all-pairs redundancy grow faster than its size


def vendi_score(rows: Tensor) -> float:
    """exp of the entropy of the eigenvalues of X X' / n (Friedman and Dieng 2023): the effective number of
    rows.
    """
    matrix = rows.double()
    n, d = matrix.shape
    gram = matrix @ matrix.T if n <= d else matrix.T @ matrix
    values = torch.linalg.eigvalsh(gram).clamp_min(0.0)
    share = values[values > 0] / values.sum()
    return float(torch.exp(-(share * share.log()).sum()))


def compare(
    pool: Tensor, targets: Tensor, masses: Floats, order: Ints, transport: float, s: float, seed: int
) -> dict[str, dict[str, float]]:
    """The selection against a random draw and the top by mean cosine, all of the same size.

    Selections above MAX_ROWS are compared on MAX_ROWS rows drawn from each; ``rows`` says how many were used.
    """
    k = len(order)
    rivals = {
        "random": top(random_scores(pool.shape[0], seed + 1), k),
        "top_relevance": top(mean_cosine_scores(pool, targets), k),
    }
    report = {"selected": _measure(pool, targets, masses, order, s, seed)}
    report["selected"]["transport_whole"] = transport
    for name, rival in rivals.items():
        report[name] = _measure(pool, targets, masses, rival, s, seed)
    return report


def _measure(
    pool: Tensor, targets: Tensor, masses: Floats, order: Ints, s: float, seed: int
) -> dict[str, float]:
    part = order
    if len(order) > MAX_ROWS:
        part = np.random.default_rng(seed).choice(order, MAX_ROWS, replace=False)
    rows = gather(pool, torch.from_numpy(part))
    return {
        "rows": len(part),
        "transport": transport_distance(rows, targets, masses),
        "redundancy": diversity.mean_redundancy(rows, s),
        "vendi": vendi_score(rows),
        "coverage": coverage(rows, targets, masses)[0],
    }
