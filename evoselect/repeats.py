"""Integer repeats for trainers without a weight column."""

import numpy as np

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput


def apportion(weights: Floats, budget: int | None) -> Ints:
    """weights (k,) -> (k,) repeats >= 1 that sum to ``budget`` by largest remainder (Hamilton), or all 1.

    Every item gets one first; the rest follow what its weight claims beyond that. Ties go to the earlier
    rank. Raises InvalidInput for a budget below k.
    """
    k = len(weights)
    if budget is None:
        return np.ones(k, dtype=np.int64)
    if budget < k:
        raise InvalidInput(
            f"repeat_budget = {budget} is below k = {k}: every selected item is shown at least once"
        )
    claim = np.maximum(weights / weights.sum() * budget - 1.0, 0.0)
    extra = claim / claim.sum() * (budget - k) if claim.sum() > 0 else np.full(k, (budget - k) / k)
    whole = np.floor(extra).astype(np.int64)
    order = np.lexsort((np.arange(k), whole - extra))
    whole[order[: budget - k - int(whole.sum())]] += 1
    return np.asarray(whole + 1)
