"""Which contents a pool holds already: sorted runs of 128-bit keys, 16 bytes a record.

Runs are merged as they grow, so that there are few: a run for each million records, and some smaller ones.
Two contents share a key with probability 2^-64 in a pool of 2^32 records.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from store.record_columns import Keys, Mask

MERGED_ROWS = 2**19  # larger runs stay as they are: merging takes 40 bytes a record for a moment
Half = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Run:
    """Keys in the order of their lower halves."""

    low: Half
    high: Half

    def holds(self, low: Half, high: Half) -> Mask:
        """Which of the keys are in the run."""
        if not len(self.low):
            return np.zeros(len(low), dtype=bool)
        at = np.minimum(np.searchsorted(self.low, low), len(self.low) - 1)
        found: Mask = (self.low[at] == low) & (self.high[at] == high)
        return found

    def to_bytes(self) -> bytes:
        """All lower halves, then all upper halves, little-endian."""
        return self.low.astype("<u8").tobytes() + self.high.astype("<u8").tobytes()


@dataclass(frozen=True, slots=True)
class Known:
    """What a pool held at one version."""

    version: int = 0
    runs: list[Run] = field(default_factory=list)


def from_buffer(numbers: Half) -> Run:
    """The inverse of to_bytes, over its numbers."""
    rows = len(numbers) // 2
    return Run(numbers[:rows], numbers[rows:])


def mergeable(rows: int, following: int) -> bool:
    """Whether a run of so many rows is to be merged with the one that follows it."""
    return rows <= min(2 * following, MERGED_ROWS)


def merged(first: Run, second: Run) -> Run:
    """One run with the keys of both."""
    low, high = np.concatenate([first.low, second.low]), np.concatenate([first.high, second.high])
    order = np.argsort(low, kind="stable")  # merges two sorted halves in linear time
    return Run(low[order], high[order])


class Seen:
    """The keys of one batch as it comes in, beside those that its pool holds already."""

    def __init__(self, earlier: list[Run]) -> None:
        self._earlier = earlier
        self._runs: list[Run] = []

    def add(self, keys: Keys) -> Mask:
        """Which of the (n, 2) keys are new, the first of equal ones; they are remembered."""
        order = np.argsort(keys[:, 0], kind="stable")
        low, high = keys[order, 0], keys[order, 1]
        new = np.ones(len(keys), dtype=bool)
        new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        for run in (*self._earlier, *self._runs):
            new &= ~run.holds(low, high)
        self._remember(Run(low[new], high[new]))
        fresh = np.empty(len(keys), dtype=bool)
        fresh[order] = new
        return fresh

    def own(self) -> list[Run]:
        """All keys of the batch."""
        return [run for run in self._runs if len(run.low)]

    def _remember(self, run: Run) -> None:
        while self._runs and mergeable(len(self._runs[-1].low), len(run.low)):
            run = merged(self._runs.pop(), run)
        self._runs.append(run)
