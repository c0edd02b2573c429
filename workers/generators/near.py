"""Candidates that nearly repeat what there is already, found by the words that they share (decision 0107).

What a word weighs is told by what there is, not by the candidates: of a generator that says one thing again
and again every word would be common, and its repetitions would look different.
"""

from collections.abc import Callable, Sequence

import numpy as np

from evoselect.copies import near
from evoselect.copies.words import Bags, Rarity, hashes
from evoselect.spec.copies import THRESHOLD
from store.records.record import Record, plain_text

MOST = 50_000  # texts of both sides up to which they are looked for: a few seconds


def new_ones(made: Sequence[Record], there: Sequence[str], alive: Callable[[], None]) -> list[Record]:
    """Those of `made` that nearly repeat none of the texts `there`, and none that was made before.

    `alive` is called now and then. More than MOST texts are all taken as new.
    """
    if not made or len(made) + len(there) > MOST:
        return list(made)
    own, known = Bags.of(hashes(plain_text(record)) for record in made), Bags.of(map(hashes, there))
    every = Bags.of([own.words])  # one more text with all their words: none weighs more than a new one
    rarity = Rarity([known, every])
    signed = near.signatures(own, rarity, alive)
    alike = near.across((own, known), (signed, near.signatures(known, rarity, alive)), rarity, THRESHOLD)
    clusters = near.clusters(near.within(own, signed, rarity, THRESHOLD), len(own))
    copies = set(np.concatenate([alike.first, *(members[1:] for members in clusters)]).tolist())
    return [record for row, record in enumerate(made) if row not in copies]
