"""What is known of rows beside their features, which stay where they are until they are read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.representations.shards import Features, Shard
from workers.features.statuses import Statuses


@dataclass(frozen=True, slots=True)
class Known:
    """Of n rows; one whose status is not ``ok`` has no features that count."""

    tokens: npt.NDArray[np.int32]
    """(n,) tokens of prompt and answer, before a row was shortened; 0 if unknown."""
    status: Statuses
    sketch: str
    """Fingerprint of model, settings and code: only equal ones may be compared."""
    shortened: int = 0
    """Rows whose features are of a part of them."""


def at_every_checkpoint(found: Sequence[Known]) -> Known:
    """Of the same rows at several checkpoints: a row is usable if it is at each; else its first fault."""
    if len(found) == 1:
        return found[0]
    rows = zip(*(known.status for known in found), strict=True)
    return Known(
        found[0].tokens,
        Statuses.of(next((status for status in row if status != "ok"), "ok") for row in rows),
        "+".join(known.sketch for known in found),
        found[0].shortened,
    )


def of_rows(shards: Sequence[Shard], rows: Sequence[int] | Ints) -> list[Shard]:
    """The shards of ``rows``, ascending, alone; a shard without one is left out, and never read."""
    wanted = np.asarray(rows, dtype=np.int64)
    found, first = [], 0
    for shard in shards:
        start, stop = np.searchsorted(wanted, [first, first + shard.rows])
        own = wanted[start:stop] - first
        if len(own) == shard.rows:
            found.append(shard)
        elif len(own):
            found.append(Shard(len(own), partial(_some, shard, own)))
        first += shard.rows
    return found


def grouped(shards: Sequence[Shard], rows: int) -> Iterator[list[Shard]]:
    """Shards that follow each other, as many together as have at most so many rows, one at least."""
    group: list[Shard] = []
    held = 0
    for shard in shards:
        if group and held + shard.rows > rows:
            yield group
            group, held = [], 0
        group, held = [*group, shard], held + shard.rows
    if group:
        yield group


def together(shards: Sequence[Shard]) -> Features:
    """The features of several shards, read one after the other."""
    read = [shard.read() for shard in shards]
    if len(read) == 1:
        return read[0]
    states = [features.hidden for features in read if features.hidden is not None]
    return Features(torch.cat([features.values for features in read]), torch.cat(states) if states else None)


def _some(shard: Shard, rows: Ints) -> Features:
    features, index = shard.read(), torch.from_numpy(rows)
    states: Tensor | None = None if features.hidden is None else features.hidden[index]
    return Features(features.values[index], states)
