"""What method capacity will ask of every shard, known from a sample before any list is made (ours)."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity import shortlist
from evoselect.neighbours import matrix
from evoselect.neighbours.priced import edges_below
from evoselect.neighbours.search import search
from evoselect.pools.left import Questions, Reach
from evoselect.pools.pool import Pool
from evoselect.redundancy import diversity
from evoselect.spec.listing import MIN_WIDTH, list_width, priced

NOISE = 4  # deviations of the sample by which more of the most relevant rows are kept
SHORT = 1.2  # times the rows that a target takes on average: most lists that are too short are no longer
FURTHER = 2  # times as long as those become: pairs cost little
SPARE = 2  # times as long as they are read: a shard does not know which of its rows are copies of another's


def sample(n: int, m: int, k: int) -> Ints:
    """(s,) rows of n candidates that name the first prices for m targets and k rows."""
    return np.arange(0, n, shortlist.sample_step(n, m, k))


def questions(pool: Pool, targets: Tensor, masses: Floats, budget: Budget) -> Questions:
    """From the usable rows of a pool (N, d), of which only the sample is read.

    targets (M, d) unit rows, masses (M,) sum 1. Whatever else turns out to be wanted, shards are asked for
    again.
    """
    lists = [(diversity.around(targets), SPARE * diversity.SAMPLE_ROWS)]
    directions = (centre(targets, masses), mean_target(targets))
    step = shortlist.sample_step(pool.size, targets.shape[0], budget.count)
    sample = pool.gather(pool.every(step))
    high = ((1, _least_relevance(sample, targets, budget.count / step)),)
    if priced(pool.shape[0], targets.shape[0]):
        _, price = shortlist.first_prices(pool, targets, masses, budget)
        below = targets, price, shortlist.WINDOW
        wanted = budget.count / targets.shape[0]
        width = min(pool.shape[0], max(MIN_WIDTH, shortlist.WIDENING * int(np.ceil(SHORT * wanted))))
        most = np.maximum(price, _ends(sample, targets, FURTHER * width / step))
        reach = Reach(most, width / pool.shape[0], SHORT * wanted / pool.shape[0])
        return Questions(tuple(lists), below, directions, high, targets, reach)
    lists.append((targets, list_width(pool.shape[0], targets.shape[0], budget.count)))
    return Questions(tuple(lists), None, directions, high, targets)


def edges(asked: Questions, pool: Pool, m: int, k: int) -> int:
    """About how many edges the shards will name in their answers, from the sample of a pool (N, d).

    ``m`` targets and ``k`` rows are what the questions were made for.
    """
    if asked.below is None:
        return sum(len(targets) * min(count, pool.shape[0]) for targets, count in asked.lists[1:])
    step = shortlist.sample_step(pool.size, m, k)
    return step * len(edges_below(pool.gather(pool.every(step)), *asked.below).cost)


def _ends(sample: Tensor, targets: Tensor, expected: float) -> Floats:
    """(M,) costs below which every target has so many rows of the sample (s, d), NOISE deviations beyond."""
    rank = min(len(sample), int(np.ceil(expected + NOISE * np.sqrt(expected))) + 1)
    return np.asarray(1.0 - search(sample, targets, rank)[0][:, -1].double().numpy())


def _least_relevance(sample: Tensor, targets: Tensor, wanted: float) -> float:
    """Above which lie about as many rows of the sample (s, d) as the budget buys of them.

    Relevance alone is what it is compared with.
    """
    score = np.sort(matrix.scores(sample, mean_target(targets)))
    place = int(np.ceil(wanted + NOISE * np.sqrt(wanted)))
    return float(score[-place]) if place <= len(score) else -2.0


def centre(targets: Tensor, masses: Floats) -> Tensor:
    """targets (M, d), masses (M,) -> (d,) what a random candidate is compared with."""
    return torch.from_numpy(masses).float().to(targets.device) @ targets.float()


def mean_target(targets: Tensor) -> Tensor:
    """targets (M, d) -> (d,) what relevance by mean cosine is measured against."""
    return targets.double().mean(dim=0).float()
