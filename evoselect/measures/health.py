"""Whether rows still look like the target: how diverse they are, how near, how long, how alike they begin.

All of it is cheap beside the features: at most ROWS rows of either side are compared. Numbers of different
models are not comparable one by one; the ratios to the target's own are.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.features import Matrix, gather
from evoselect.measures.metrics import vendi_score
from evoselect.transport import transport_distance

ROWS = 256  # of a side: Vendi and transport take about 0.1 s then
DRAWS = 4  # of equal numbers of rows, over which the ratio of Vendi scores is averaged
OPENING = 3  # words


@dataclass(frozen=True, slots=True)
class Spread:
    """How rows lie in the features, beside the target's."""

    vendi: float
    """Effective number of rows among at most ROWS of them, 1 to that (Friedman and Dieng 2023)."""
    diversity: float
    """Vendi score over that of as many rows of the target: 1 as diverse, below 1 less (ours)."""
    distance: float
    """Exact transport to the target, mean 1 - cosine, 0 to 2; both sides of at most ROWS rows."""


def spread(rows: Matrix, targets: Tensor, seed: int) -> Spread:
    """rows (n, d) and targets (M, d), unit rows, n and M >= 1; the seed draws where there are more than ROWS.

    Raises InvalidInput for a side without rows.
    """
    if not len_of(rows) or not len_of(targets):
        raise InvalidInput(f"{len_of(rows)} rows and {len_of(targets)} targets: each side needs one")
    rng = np.random.default_rng(seed)
    own, goal = _drawn(rows, ROWS, rng), _drawn(targets, ROWS, rng)
    return Spread(vendi_score(own), _diversity(rows, targets, rng), transport_distance(own, goal))


def _diversity(rows: Matrix, targets: Tensor, rng: np.random.Generator) -> float:
    """Ratio of the mean Vendi scores of as many rows of each side."""
    size = min(len_of(rows), len_of(targets), ROWS)

    def mean(side: Matrix) -> float:
        draws = DRAWS if len_of(side) > size else 1
        return float(np.mean([vendi_score(_drawn(side, size, rng)) for _ in range(draws)]))

    return mean(rows) / mean(targets)


def len_of(side: Matrix) -> int:
    """Rows of a side (n, d)."""
    return int(side.shape[0])


def _drawn(side: Matrix, most: int, rng: np.random.Generator) -> Tensor:
    n = len_of(side)
    index: Ints = np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
    return gather(side, torch.from_numpy(index))


def length_ratio(lengths: Sequence[int], reference: Sequence[int]) -> float | None:
    """Median of ``lengths`` over that of the reference, both in the same unit; None where that has length 0.

    Raises InvalidInput for an empty side.
    """
    if not lengths or not reference:
        raise InvalidInput("lengths of both sides are needed: one has none")
    usual = float(np.median(reference))
    return float(np.median(lengths)) / usual if usual else None


def opening_share(texts: Sequence[str]) -> float:
    """Share of the texts that begin with the commonest first OPENING words, above 0 to 1: 1 is a template.

    Raises InvalidInput without texts.
    """
    if not texts:
        raise InvalidInput("texts are needed: there are none")
    openings = Counter(tuple(text.split(None, OPENING)[:OPENING]) for text in texts)
    return openings.most_common(1)[0][1] / len(texts)


def separation(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """How well scores tell right from wrong: the area under the ROC curve, 0 to 1, ties count half.

    0.5 is chance. None without a score on either side. (Mann and Whitney 1947.)
    """
    if not right or not wrong:
        return None
    first: Floats = np.asarray(right, dtype=np.float64)[:, None]
    second: Floats = np.asarray(wrong, dtype=np.float64)[None, :]
    return float(np.mean((first > second) + 0.5 * (first == second)))
