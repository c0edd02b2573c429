"""What each candidate is most like among those that were selected."""

from evoselect.arrays import Ints
from evoselect.pools.pool import Pool

MOST_PRODUCTS = 2 * 10**10  # of numbers, to find them: a few seconds of a core
Similar = list[tuple[int, float] | None]
"""By candidate rank and cosine of the item, None of items themselves."""


def similar(pool: Pool, chosen: Ints, *, large: bool) -> Similar | None:
    """Of every candidate of the pool, whose rows ``chosen`` (k,) were selected in that order.

    None where that is not cheap: whichever way a large pool was read.
    """
    rows, width = pool.shape
    if large or rows * len(chosen) * width > MOST_PRODUCTS:
        return None
    alike = pool.near(pool.gather(chosen))
    ranks, cosines = (alike.target + 1).tolist(), alike.cosine.tolist()
    found: Similar = list(zip(ranks, cosines, strict=True))
    for row in chosen.tolist():
        found[row] = None
    return found
