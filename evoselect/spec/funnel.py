"""A cheap look at all candidates, before features are computed of the nearest."""

import math
from typing import Annotated, Literal

from evoselect.spec.fields import Bounded, Real

FUNNELLED = ("capacity", "round_robin", "max_cosine")
"""Methods that select what is near to each target; of others a funnel would make other methods."""
SPARE = 4  # times what is selected, at least, goes on as the nearest
DRAWN = 1 / 20  # of the candidates are a sample,
LEAST_DRAWN, MOST_DRAWN = 200, 2_000  # within these limits


class Funnel(Bounded):
    """Which candidates' features are computed: the nearest to each target by a cheap look at all."""

    share: Annotated[float, Real(gt=0.0, le=0.9)] = 0.2
    """Of the candidates that go on as the nearest; at most a quarter as many can be selected. A drawn sample
    goes on beside them, by which the recall is measured.
    """
    by: Literal["words"] = "words"
    """What is near: texts with the same rare words and pairs of words."""

    def nearest(self, candidates: int) -> int:
        """How many of so many candidates go on as the nearest."""
        return math.ceil(self.share * candidates)

    def going_on(self, candidates: int) -> int:
        """About how many of so many go on, sample included."""
        return min(candidates, self.nearest(candidates) + round((1 - self.share) * sampled(candidates)))


def sampled(candidates: int) -> int:
    """How many of so many candidates are drawn, whatever they are near to."""
    return min(candidates, max(LEAST_DRAWN, min(MOST_DRAWN, round(DRAWN * candidates))))
