"""Pairs of texts that share most of their words: MinHash by datasketch, sorted bands, exact overlap (ours).

Candidates for a pair agree in one band of MinHash values (Broder 1997): of BANDS over their rarer words, for
texts in one form, or of as many over all of them, for texts with so many copies that their words are not
rare. Whether they are a pair is decided by the weighted overlap of all words. A band is sorted, not kept in
a dictionary: memory is the signatures' and one band's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from datasketch import MinHash
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from evoselect.arrays import Floats, Ints
from evoselect.copies.words import Bags, Rarity

BANDS, WIDTH = 20, 3  # a pair that shares six tenths of its rarer words is found with .992, seven .9998
PERIOD = 4_096  # texts between two signs of life

Signatures = NDArray[np.uint32]  # (n, 2 * BANDS * WIDTH): of the rarer words, of all


@dataclass(frozen=True)
class Pairs:
    """Rows of the first and second side and how similar they are."""

    first: Ints  # (p,)
    second: Ints  # (p,)
    similarity: Floats  # (p,) in [0, 1]


def signatures(bags: Bags, rarity: Rarity, alive: Callable[[], None]) -> Signatures:
    """The MinHash of each text's rarer words, and of all."""
    found = np.empty((len(bags), 2, BANDS * WIDTH), dtype=np.uint32)
    batches = (bag.tolist() for row in range(len(bags)) for bag in (rarity.rare(bags[row]), bags[row]))
    for place, minhash in enumerate(MinHash.generator(batches, num_perm=BANDS * WIDTH, hashfunc=int)):
        found[place // 2, place % 2] = minhash.hashvalues
        if place % PERIOD == 0:
            alive()
    return found.reshape(len(bags), 2 * BANDS * WIDTH)


def within(bags: Bags, signed: Signatures, rarity: Rarity, threshold: float) -> Pairs:
    """Similar pairs of one side, first < second: enough of them to join whatever is similar.

    In a band's bucket each text is compared with the bucket's first and with the one before.
    """
    key = np.empty(0, dtype=np.int64)
    n = len(bags)
    for band in _bands(signed):
        order = np.argsort(band, kind="stable")
        same = band[order][1:] == band[order][:-1]
        start = np.concatenate([[True], ~same])
        head = order[np.maximum.accumulate(np.where(start, np.arange(n), 0))]
        previous, member = order[:-1][same], order[1:][same]
        key = np.unique(np.concatenate([key, previous * n + member, head[1:][same] * n + member]))
    return _verified(key // n, key % n, (bags, bags), rarity, threshold=threshold)


def across(
    sides: tuple[Bags, Bags], signed: tuple[Signatures, Signatures], rarity: Rarity, threshold: float
) -> Pairs:
    """For each text of the first side the similar ones of the second: of those in one bucket the first."""
    key = np.empty(0, dtype=np.int64)
    count = len(sides[1])
    if not count:
        return Pairs(key, key, np.empty(0))
    for own, theirs in zip(_bands(signed[0]), _bands(signed[1]), strict=True):
        known, first = np.unique(theirs, return_index=True)
        place = np.minimum(np.searchsorted(known, own), len(known) - 1)
        row = np.flatnonzero(known[place] == own)
        key = np.unique(np.concatenate([key, row * count + first[place[row]]]))
    return _verified(key // count, key % count, sides, rarity, threshold=threshold)


def clusters(pairs: Pairs, n: int) -> list[Ints]:
    """Rows (c,) that pairs join, directly or not; ascending, largest cluster first, ties by row."""
    if not len(pairs.first):
        return []
    graph = scipy.sparse.coo_array((np.ones(len(pairs.first)), (pairs.first, pairs.second)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: (-len(part), int(part[0])))


def _bands(signed: Signatures) -> Iterator[NDArray[np.uint64]]:
    """One key per text and band; different WIDTH values seldom have the same."""
    odd = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
    for band in range(2 * BANDS):
        values = signed[:, band * WIDTH : (band + 1) * WIDTH].astype(np.uint64)
        yield (values * odd[:WIDTH]).sum(axis=1, dtype=np.uint64)


def _verified(
    first: Ints, second: Ints, sides: tuple[Bags, Bags], rarity: Rarity, *, threshold: float
) -> Pairs:
    similarity = np.array(
        [
            rarity.similarity(sides[0][a], sides[1][b])
            for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ],
        dtype=np.float64,
    )
    kept = similarity >= threshold
    return Pairs(first[kept], second[kept], similarity[kept])
