"""Baselines that rank candidates one by one: a score, then the k largest, ties by index."""

import numpy as np
import torch
from torch import Tensor

from evoselect.features import row_blocks
from evoselect.shortlist import Floats, Ints


def mean_cosine(candidates: Tensor, targets: Tensor) -> Floats:
    """(N,) cosine to the mean of the unit targets: LESS with one checkpoint and group (Xia et al. 2024)."""
    centre = targets.to(candidates.device).double().mean(dim=0)
    parts = [candidates[rows].float() @ centre.float() for rows in row_blocks(candidates)]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def random_scores(n: int, seed: int) -> Floats:
    """(N,) uniform numbers: ranking by them is a uniform draw without replacement."""
    return np.random.default_rng(seed).random(n)


def top(score: Floats, k: int) -> Ints:
    """Rows of the k largest scores, best first, ties by index."""
    return np.lexsort((np.arange(len(score)), -score))[:k]
