"""Near-copies among candidates, and of them in other sets: what is found, row by row (ours)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoselect.arrays import Ints
from evoselect.copies import near, runs
from evoselect.copies.near import Signatures
from evoselect.copies.words import Bags, Rarity, hashes


@dataclass(frozen=True)
class Leak:
    """A candidate and the row of another set that it nearly repeats."""

    row: int
    partner: int
    similarity: float  # of their words; 0 where only runs are shared
    run_share: float  # of the partner's runs of 13 words that the candidate has


@dataclass(frozen=True)
class Search:
    """The candidates, read once for all comparisons."""

    texts: Sequence[str]
    bags: Bags
    alive: Callable[[], None]

    @classmethod
    def of(cls, texts: Sequence[str], alive: Callable[[], None]) -> "Search":
        """Of the candidates' texts; ``alive`` is called now and then."""
        return cls(texts, Bags.of(map(hashes, texts)), alive)

    def find(
        self, others: Sequence[Sequence[str]], threshold: float
    ) -> tuple[list[Ints], list[dict[int, Leak]]]:
        """Clusters of candidates, rows (c,) each, and for each of the other sets its leaks by candidate."""
        bags = [Bags.of(map(hashes, texts)) for texts in others]
        rarity = Rarity([self.bags, *bags])
        signed = near.signatures(self.bags, rarity, self.alive)
        pairs = near.within(self.bags, signed, rarity, threshold)
        leaks = [
            self._leaks(signed, texts, bag, rarity=rarity, threshold=threshold)
            for texts, bag in zip(others, bags, strict=True)
        ]
        return near.clusters(pairs, len(self.bags)), leaks

    def _leaks(
        self, signed: Signatures, texts: Sequence[str], bags: Bags, *, rarity: Rarity, threshold: float
    ) -> dict[int, Leak]:
        theirs = near.signatures(bags, rarity, self.alive)
        alike = near.across((self.bags, bags), (signed, theirs), rarity, threshold)
        index = runs.Index(map(hashes, texts))
        shared = index.overlaps([index.shared(hashes(text)) for text in self.texts])
        found = {
            int(row): Leak(int(row), int(partner), 0.0, float(share))
            for row, partner, share in zip(shared.first, shared.second, shared.share, strict=True)
        }
        order = np.lexsort((-alike.second, alike.similarity))  # the most similar, the first of equals, stays
        for place in order:
            row, partner = int(alike.first[place]), int(alike.second[place])
            known = found.get(row)
            share = known.run_share if known is not None and known.partner == partner else 0.0
            found[row] = Leak(row, partner, float(alike.similarity[place]), share)
        return found
