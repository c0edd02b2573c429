"""Which contents a batch has brought so far, with memory that does not grow with the batch.

Keys go into a Bloom filter and into sorted runs, the full ones of which lie in a file without a name. The
filter says which keys are certainly new; only the others are looked for in the runs, so that a false alarm
costs time and never an answer.
"""

import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from store.data.content_runs import MERGED_ROWS, Half, Run, from_buffer, joined, merged
from store.records.columns import Keys, Mask

RUN_ROWS = 2**18  # keys held in memory before they are sorted into a run of the file: 4 MiB
FILTER_BITS = 27  # log2: 16 MiB
WORD_BITS = 6  # log2: the 4 bits of a key lie in one word, which costs one look at memory in place of four


class Filter:
    """A Bloom filter of keys that are random already: their own bits are the places."""

    def __init__(self) -> None:
        self._words = np.zeros(2 ** (FILTER_BITS - WORD_BITS), dtype=np.uint64)

    def add(self, low: Half, high: Half) -> Mask:
        """Which of the keys may have been added before; all are now."""
        place, one = np.uint64(2**WORD_BITS - 1), np.uint64(1)
        bits = np.zeros(len(high), dtype=np.uint64)
        for shift in range(0, 4 * WORD_BITS, WORD_BITS):
            bits |= one << ((high >> np.uint64(shift)) & place)
        words = (low & np.uint64(len(self._words) - 1)).astype(np.intp)
        found: Mask = (self._words[words] & bits) == bits
        np.bitwise_or.at(self._words, words, bits)
        return found


class Seen:
    """The keys of one batch as it comes in, beside those that its pool holds already."""

    def __init__(self, earlier: list[Run]) -> None:
        self._earlier = earlier
        self._filter = Filter()
        self._recent: list[Run] = []
        self._file = tempfile.TemporaryFile(prefix="evoselect-")  # noqa: SIM115
        self._stored: list[_Stored] = []

    def add(self, keys: Keys) -> Mask:
        """Which of the (n, 2) keys are new, the first of equal ones; they are remembered."""
        order = np.argsort(keys[:, 0], kind="stable")
        low, high = keys[order, 0], keys[order, 1]
        new = np.ones(len(keys), dtype=bool)
        new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        for run in self._earlier:
            new &= ~run.holds(low, high)
        asked = new & self._filter.add(low, high)
        if asked.any():
            new[asked] = ~self._holds(low[asked], high[asked])
        self._remember(Run(low[new], high[new]))
        fresh = np.empty(len(keys), dtype=bool)
        fresh[order] = new
        return fresh

    def own(self) -> Iterator[Run]:
        """All keys of the batch, in few runs that are read one after the other."""
        waiting: Run | None = None
        for run in self._runs():
            waiting = run if waiting is None else merged(waiting, run)
            if len(waiting.low) >= MERGED_ROWS:
                yield waiting
                waiting = None
        if waiting is not None:
            yield waiting

    def close(self) -> None:
        """Drop the file."""
        self._file.close()

    def _holds(self, low: Half, high: Half) -> Mask:
        found = np.zeros(len(low), dtype=bool)
        for stored in self._stored:
            found |= stored.holds(low, high)
        for run in self._recent:
            found |= run.holds(low, high)
        return found

    def _remember(self, run: Run) -> None:
        if len(run.low):
            self._recent.append(run)
        if sum(len(recent.low) for recent in self._recent) >= RUN_ROWS:
            self._store(joined(self._recent))
            self._recent = []

    def _store(self, run: Run) -> None:
        start = self._file.seek(0, 2)
        self._file.write(run.to_bytes())
        self._file.flush()
        self._stored.append(_Stored(np.memmap(self._file, "<u8", "r", start, (2 * len(run.low),))))

    def _runs(self) -> Iterator[Run]:
        for stored in self._stored:
            yield stored.read()
        if self._recent:
            yield joined(self._recent)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A run in the file; what was read of it does not stay in memory."""

    numbers: "np.memmap[tuple[int], np.dtype[np.uint64]]"

    def holds(self, low: Half, high: Half) -> Mask:
        found = from_buffer(self.numbers).holds(low, high)
        self._forget()
        return found

    def read(self) -> Run:
        run = from_buffer(np.array(self.numbers))
        self._forget()
        return run

    def _forget(self) -> None:
        mapped: mmap.mmap = self.numbers._mmap  # type: ignore[attr-defined]
        mapped.madvise(mmap.MADV_DONTNEED)
