"""Which contents a pool holds already: sorted runs of 128-bit keys, 16 bytes a record.

Runs are merged as they grow, so that there are few: a run for each million records, and some smaller ones.
Two contents share a key with probability 2^-64 in a pool of 2^32 records.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from store.records.columns import Mask

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


class StoredRun(BaseModel):
    """The file of a run, and its keys."""

    model_config = ConfigDict(frozen=True)

    path: str
    rows: int


class Index(BaseModel):
    """What a pool's row keeps of its contents."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[StoredRun, ...] = ()


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
    return joined([first, second])


def joined(runs: list[Run]) -> Run:
    """One run with the keys of all."""
    low, high = np.concatenate([run.low for run in runs]), np.concatenate([run.high for run in runs])
    order = np.argsort(low, kind="stable")  # merges sorted parts in linear time
    return Run(low[order], high[order])
