"""How sure a mean is, and a difference of means: bootstrap intervals and a paired test. Numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95  # of every interval
BLOCK = 2**22  # numbers drawn at a time


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Second minus first over the same n questions."""

    n: int
    difference: float
    interval: tuple[float, float]
    """95 %, by the percentiles of a bootstrap over questions."""
    p_value: float
    """Two-sided, by random flips of the signs (Fisher's permutation test for pairs)."""


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of the mean by percentiles over resamples; None for fewer than 2 values."""
    if len(values) < 2:
        return None
    data, draw = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    means = np.concatenate(
        [data[draw.integers(len(data), size=(rows, len(data)))].mean(1) for rows in _parts(len(data))]
    )
    return _percentiles(means)


def paired(first: Sequence[float], second: Sequence[float], seed: int = 0) -> PairedDifference | None:
    """Whether the second differs from the first, question by question; None for fewer than 2 questions.

    The smallest p-value that can be told is 1 / (RESAMPLES + 1).
    """
    if len(first) != len(second):
        raise ValueError(f"pairs are needed, got {len(first)} and {len(second)} values")
    if len(first) < 2:
        return None
    changes = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    interval = bootstrap(changes.tolist(), seed)
    assert interval is not None
    draw, seen = np.random.default_rng(seed + 1), abs(changes.mean())
    as_far = 0
    for rows in _parts(len(changes)):
        signs = draw.integers(2, size=(rows, len(changes)), dtype=np.int8) * 2.0 - 1.0
        as_far += int((np.abs((signs * changes).mean(1)) >= seen - 1e-12).sum())
    p_value = (as_far + 1) / (RESAMPLES + 1)
    return PairedDifference(len(changes), float(changes.mean()), interval, p_value)


def _parts(columns: int) -> list[int]:
    """RESAMPLES rows in parts of at most BLOCK numbers."""
    rows = max(1, min(RESAMPLES, BLOCK // columns))
    whole, rest = divmod(RESAMPLES, rows)
    return [rows] * whole + ([rest] if rest else [])


def _percentiles(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
