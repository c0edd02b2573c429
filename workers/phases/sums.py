"""Phase `sums`: what a feature shard's rows add to the pool's mean, and those of them that a sample holds."""

import torch
from torch import Tensor

from evoselect.features import row_hashes
from evoselect.representations.shards import Features, Shard, totals_of
from evoselect.representations.stored import totals_to_tensors
from store.jobs.plans import ListedPart
from store.jobs.requests import SelectionWork
from store.jobs.results import ListedResult
from workers.lists import files
from workers.lists.reading import usable_rows
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Read the shard's features once, and leave sums, a hash of each row and the sample."""
    part = ListedPart.model_validate(work.claim.payload)
    asked = files.get(work, part.rows)
    watch = _Watch(part)
    shards = [watch.watched(shard) for shard in usable_rows(work, part, asked)]
    totals = totals_of(
        shards,
        work.asked(SelectionWork).features,
        part.of,
        forms=asked["forms"].long() if "forms" in asked else None,
        count=part.forms,
        first=part.first,
    )
    stored = files.put(work, totals_to_tensors(totals) | watch.seen())
    return Outcome(ListedResult(file=stored, kind=files.KIND))


class _Watch:
    """Takes what is wanted of rows while they are read for their sums."""

    def __init__(self, part: ListedPart) -> None:
        self._next, self._step = part.first, part.step
        self._hashes: list[Tensor] = []
        self._values: list[Tensor] = []
        self._hidden: list[Tensor] = []

    def watched(self, shard: Shard) -> Shard:
        """The same rows, which are looked at when they are read; each is read once, in their order."""
        return Shard(shard.rows, lambda: self._look(shard.read()))

    def seen(self) -> dict[str, Tensor]:
        """By name: hashes (n,), and the raw rows of the sample."""
        named = {"hashes": torch.cat(self._hashes), "raw.values": torch.cat(self._values)}
        return named | ({"raw.hidden": torch.cat(self._hidden)} if self._hidden else {})

    def _look(self, features: Features) -> Features:
        flat = features.values.flatten(1)
        whole = flat if features.hidden is None else torch.cat([flat, features.hidden], dim=1)
        every = torch.arange(len(whole)).numpy()
        self._hashes.append(torch.from_numpy(row_hashes(whole, every)))
        own = slice(-self._next % self._step, None, self._step)
        self._values.append(features.values[own].clone())
        if features.hidden is not None:
            self._hidden.append(features.hidden[own].clone())
        self._next += len(whole)
        return features
