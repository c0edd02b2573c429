"""What a feature shard leaves of its rows beside their features: a few bytes each, as one file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from evoselect.arrays import Ints
from workers.features.block_files import STATUSES, check_same_sketch
from workers.features.known import Known
from workers.features.statuses import Statuses


@dataclass(frozen=True, slots=True)
class ShardRows:
    """The rows of a feature shard."""

    known: Known
    order: Ints
    """(n,) row ``order[i]`` of the shard was computed as the i-th."""
    window: int
    """So many rows that follow each other were put in order together."""

    def windows(self) -> list[Ints]:
        """The order of each window, within it."""
        starts = range(0, len(self.order), self.window)
        return [self.order[start : start + self.window] - start for start in starts]


def rows_of(computed: Sequence[Known], order: Sequence[int], window: int) -> ShardRows:
    """From blocks of rows as they were computed, in that order.

    Raises InvalidInput unless all have the same sketch.
    """
    check_same_sketch(known.sketch for known in computed)
    placed = np.asarray(order, dtype=np.int64)
    back = np.argsort(placed)
    tokens = np.concatenate([known.tokens for known in computed])
    status = Statuses.joined(known.status for known in computed)
    shortened = sum(known.shortened for known in computed)
    known = Known(tokens[back], status.at(back), computed[0].sketch, shortened)
    return ShardRows(known, placed, window)


def to_bytes(rows: ShardRows) -> bytes:
    """As one file, whose bytes depend on the rows alone."""
    known = rows.known
    arrays: dict[str, npt.NDArray[Any]] = {
        "tokens": known.tokens,
        "status": known.status.codes(STATUSES),
        "order": rows.order.astype(np.int32),
    }
    about = {
        "sketch": known.sketch,
        "statuses": STATUSES,
        "shortened": known.shortened,
        "window": rows.window,
    }
    return save(arrays, metadata={"rows": json.dumps(about)})


def from_bytes(data: bytes) -> ShardRows:
    """The inverse of `to_bytes`; the caller has checked the file's hash."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    about, arrays = json.loads(header["rows"]), load(data)
    status = Statuses(arrays["status"], about["statuses"])
    known = Known(arrays["tokens"], status, about["sketch"], about["shortened"])
    return ShardRows(known, arrays["order"].astype(np.int64), about["window"])
