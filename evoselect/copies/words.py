"""Texts as the words that near-copies share: normalised, hashed, weighted by how rare they are (ours).

A word is a run of letters and digits; of scripts without spaces each character is one. Words are kept as
32-bit hashes, so that memory follows the texts' length and no vocabulary grows.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evoselect.arrays import Floats, Ints

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # kana, Han, Hangul
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
BUCKETS = 2**22  # of document counts: 32 MB, however many words there are
FREQUENT_SHARE = 0.02  # of the texts: a word of more is form or grammar, and no reason to compare two texts
FREQUENT_ROWS = 10
FEWEST = 3  # rare words that say something about a text
FLOOR = 0.05  # weight of a word that every text has

Hashes = NDArray[np.uint32]


def normalised(text: str) -> str:
    """NFC, case folded, white space as single blanks: texts that are equal then say the same."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def words(text: str) -> list[str]:
    """In order; a text without a letter or digit is one word."""
    plain = unicodedata.normalize("NFC", text).casefold()
    return WORD.findall(plain) or [plain.strip()]


def hashes(text: str) -> Hashes:
    """Of its words, in order."""
    return np.array([zlib.crc32(word.encode("utf-8", "replace")) for word in words(text)], dtype=np.uint32)


@dataclass(frozen=True)
class Bags:
    """The distinct words of n texts, one text after the other, ascending within each."""

    words: Hashes  # (all,)
    bounds: Ints  # (n + 1,)

    @classmethod
    def of(cls, texts: Iterable[Hashes]) -> "Bags":
        """From the words of each text."""
        found = [np.unique(text) for text in texts]
        bounds = np.concatenate([[0], np.cumsum([len(bag) for bag in found])]).astype(np.int64)
        return cls(np.concatenate([*found, np.empty(0, dtype=np.uint32)]), bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> Hashes:
        return self.words[self.bounds[row] : self.bounds[row + 1]]


class Rarity:
    """How many of all texts have a word, and what sharing it is worth."""

    def __init__(self, sides: Sequence[Bags]) -> None:
        self._texts = sum(map(len, sides))
        self._counts = np.zeros(BUCKETS, dtype=np.int64)
        for bags in sides:
            self._counts += np.bincount(bags.words % BUCKETS, minlength=BUCKETS)

    @cached_property
    def most(self) -> float:
        """Texts that a word may be in to count as rare."""
        return max(float(FREQUENT_ROWS), FREQUENT_SHARE * self._texts)

    def weight(self, bag: Hashes) -> Floats:
        """Of ``bag`` (w,) -> (w,): logarithm of texts per text with the word; FLOOR for one that all have."""
        return np.asarray(FLOOR + np.log(self._texts / self._counts[bag % BUCKETS]))

    def rare(self, bag: Hashes) -> Hashes:
        """Its rare words, or all where those are fewer than FEWEST."""
        kept = bag[self._counts[bag % BUCKETS] <= self.most]
        return kept if len(kept) >= FEWEST else bag

    def similarity(self, first: Hashes, second: Hashes) -> float:
        """Weight of the words that both have, over that of those that either has."""
        common = np.intersect1d(first, second, assume_unique=True)
        shared = float(self.weight(common).sum())
        return shared / (float(self.weight(first).sum()) + float(self.weight(second).sum()) - shared)
