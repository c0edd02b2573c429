"""Runs of 13 words that a text shares with another set: how contamination is looked for (Brown et al. 2020).

A run that many texts of either side have is form, such as an instruction that all begin with; it says
nothing, and neither does a run that takes up a part of one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoselect.arrays import Floats, Ints
from evoselect.copies.words import Hashes

LENGTH = 13  # words
FREQUENT_ROWS = 10  # texts of one side that may have a run
FREQUENT_SHARE = 0.001  # or this share of them
FACTOR = 0x9E3779B97F4A7C15  # odd: multiplying by its powers loses nothing

Runs = NDArray[np.uint64]


@dataclass(frozen=True)
class Shared:
    """Where a text has runs of the index: places in the text, and among the index's distinct runs."""

    at: Ints  # (r,)
    run: Ints  # (r,)


@dataclass(frozen=True)
class Overlaps:
    """Texts of the first side that share runs with one of the second, and the share of its runs."""

    first: Ints  # (p,)
    second: Ints  # (p,)
    share: Floats  # (p,) of the second text's runs, in (0, 1]


def runs(words: Hashes) -> Runs:
    """Hashes of all runs of LENGTH words, in order; none of a shorter text."""
    count = max(0, len(words) - LENGTH + 1)
    found = np.zeros(count, dtype=np.uint64)
    for place in range(LENGTH if count else 0):
        found = found * np.uint64(FACTOR) + words[place : place + count]
    return found ^ (found >> np.uint64(29))


def _most(texts: int) -> float:
    return max(FREQUENT_ROWS, FREQUENT_SHARE * texts)


class Index:
    """The runs of one side, by value."""

    def __init__(self, texts: Iterable[Hashes]) -> None:
        found = [np.unique(runs(text)) for text in texts]
        self._sizes = np.array([len(own) for own in found], dtype=np.int64)
        value = np.concatenate([*found, np.empty(0, dtype=np.uint64)])
        order = np.argsort(value, kind="stable")
        self._row = np.repeat(np.arange(len(found)), self._sizes)[order]
        self._distinct, count = np.unique(value, return_counts=True)
        self._bounds = np.concatenate([[0], np.cumsum(count)])
        self._frequent = count > _most(len(found))

    def shared(self, text: Hashes) -> Shared:
        """The runs of ``text`` that the index has."""
        own = runs(text)
        if not len(self._distinct) or not len(own):
            return Shared(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        place = np.minimum(np.searchsorted(self._distinct, own), len(self._distinct) - 1)
        at = np.flatnonzero(self._distinct[place] == own)
        return Shared(at, place[at])

    def overlaps(self, found: Sequence[Shared]) -> Overlaps:
        """From what each text of the first side shares: the text of the second that has most of it."""
        texts = np.zeros(len(self._distinct), dtype=np.int64)
        for shared in found:
            texts[np.unique(shared.run)] += 1
        form = self._frequent | (texts > _most(len(found)))
        first, second, share = [], [], []
        for row, shared in enumerate(found):
            if len(own := self._telling(shared, form)):
                partner, count = self._partner(own)
                first.append(row)
                second.append(partner)
                share.append(count / int(self._sizes[partner]))
        return Overlaps(np.array(first, dtype=np.int64), np.array(second, dtype=np.int64), np.array(share))

    @staticmethod
    def _telling(shared: Shared, form: NDArray[np.bool_]) -> Ints:
        """Distinct runs of a text that have no word in common with its form."""
        formal = shared.at[form[shared.run]]
        if not len(formal):
            return np.unique(shared.run)
        after = np.searchsorted(formal, shared.at)
        behind = formal[np.minimum(after, len(formal) - 1)] - shared.at
        before = shared.at - formal[np.maximum(after - 1, 0)]
        distance = np.minimum(np.abs(behind), np.abs(before))
        return np.unique(shared.run[distance >= LENGTH])

    def _partner(self, own: Ints) -> tuple[int, int]:
        """The row with most of those runs, ties by row, and how many it has."""
        rows = np.concatenate([self._row[self._bounds[run] : self._bounds[run + 1]] for run in own])
        counts = np.bincount(rows)
        return int(counts.argmax()), int(counts.max())
