"""What method capacity will ask of every shard, known from a sample before any list is made (ours)."""

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.capacity import shortlist
from evoselect.pools.left import Questions
from evoselect.pools.pool import Pool
from evoselect.redundancy import diversity

SPARE = 2  # times as long as they are read: a shard does not know which of its rows are copies of another's


def sample(n: int, m: int, k: int) -> Ints:
    """(s,) rows of n candidates that name the first prices for m targets and k rows."""
    return np.arange(0, n, shortlist.sample_step(n, m, k))


def questions(pool: Pool, targets: Tensor, masses: Floats, budget: Budget) -> Questions:
    """From the usable rows of a pool (N, d), of which only the sample is read.

    targets (M, d) unit rows, masses (M,) sum 1. Whatever else turns out to be wanted, such as longer lists
    where a price was too low, shards are asked for again.
    """
    lists = [(diversity.around(targets), SPARE * diversity.SAMPLE_ROWS)]
    directions = (centre(targets, masses), mean_target(targets))
    if shortlist.priced(pool.shape[0], targets.shape[0]):
        _, price = shortlist.first_prices(pool, targets, masses, budget)
        return Questions(tuple(lists), (targets, price, shortlist.WINDOW), directions)
    lists.append((targets, shortlist.list_width(pool.shape[0], targets.shape[0], budget.count)))
    return Questions(tuple(lists), None, directions)


def centre(targets: Tensor, masses: Floats) -> Tensor:
    """targets (M, d), masses (M,) -> (d,) what a random candidate is compared with."""
    return torch.from_numpy(masses).float().to(targets.device) @ targets.float()


def mean_target(targets: Tensor) -> Tensor:
    """targets (M, d) -> (d,) what relevance by mean cosine is measured against."""
    return targets.double().mean(dim=0).float()
