"""The forms of a selection's prompts: numbers for the conditioning, shares for the result."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from evoselect.representations.forms import Form, find_forms
from evoselect.spec.features import FeatureSpec
from store.records.record import Record, prompt_text

MAX_ROWS = 200_000  # candidates up to which the result says how many are in which form unasked
MAX_NAMED = 20  # forms named in the result, the most frequent of the pool first
MAX_TEXT = 200  # characters of a head or tail that are shown


class Shares(TypedDict):
    """How many forms there are, and of the most frequent the text and the share of each side in it."""

    found: int
    named: list[dict[str, str | bool | float]]


@dataclass(frozen=True)
class Forms:
    """The form of every usable candidate and target."""

    pool: list[Form]
    target: list[Form]

    def of_pool(self) -> Tensor:
        """(N,) int64: equal numbers are equal forms of the candidates."""
        number = {form: at for at, form in enumerate(dict.fromkeys(self.pool))}
        return torch.tensor([number[form] for form in self.pool])

    def shares(self, chosen: Sequence[int]) -> Shares:
        """How many forms there are, and what share of pool, target and chosen candidates is in each."""
        sides = {"pool": self.pool, "target": self.target, "selected": [self.pool[row] for row in chosen]}
        counts = {name: Counter(side) for name, side in sides.items()}
        every = sorted(set(self.pool) | set(self.target), key=lambda form: (-counts["pool"][form], form))
        named: list[dict[str, str | bool | float]] = [
            {
                "head": form.head[:MAX_TEXT],
                "tail": form.tail[-MAX_TEXT:],
                "capitals": form.capitals,
                **{name: round(counts[name][form] / len(side), 4) for name, side in sides.items()},
            }
            for form in every[:MAX_NAMED]
        ]
        return {"found": len(every), "named": named}


def forms_of(sent: Sequence[Record], wanted: Sequence[Record], spec: FeatureSpec) -> Forms | None:
    """By prompts, of chats by their turns; None where they are not needed and the pool is large."""
    if spec.match == "both" and len(sent) > MAX_ROWS:
        return None
    pool, target = find_forms(*([prompt_text(record) for record in side] for side in (sent, wanted)))
    return Forms(pool, target)
