"""Conditioned rows of a pool or of a shard, in a file where they are large."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evoselect.features import Matrix
from evoselect.representations.shards import Fitted, Shard
from workers.features.file_rows import FileRows, scratch_rows
from workers.features.known import grouped, together

HELD_BYTES = 128 * 2**20  # of float32 rows that a selection holds; more lie in files, of one shard or another
READ_BYTES = 16 * 2**20  # of float32 rows that are read and conditioned at once


def is_large(rows: int, width: int) -> bool:
    """Whether a pool of rows of ``width`` numbers is not held: it depends on nothing else."""
    return rows > held_rows(width)


def held_rows(width: int) -> int:
    """So many rows of ``width`` numbers are held at most, and are a window of a matrix that was sent."""
    return max(1, HELD_BYTES // (4 * width))


def in_half(fitted: Fitted, shards: Sequence[Shard], scratch: Path) -> tuple[Matrix, list[int]]:
    """(n, width) float16 rows, and the numbers of those of which nothing is left.

    They lie in a file in ``scratch`` where they are too large to be held.
    """
    n = sum(shard.rows for shard in shards)
    if is_large(n, fitted.width):
        return on_disk(fitted, shards, scratch)
    held = torch.empty(n, fitted.width, dtype=torch.float16)

    def write(start: int, rows: Tensor) -> None:
        held[start : start + len(rows)] = rows

    return held, _written(fitted, shards, write)


def on_disk(fitted: Fitted, shards: Sequence[Shard], scratch: Path) -> tuple[FileRows, list[int]]:
    """The same in a file in any case."""
    n = sum(shard.rows for shard in shards)
    written = scratch_rows(scratch, np.float16, (n, fitted.width))
    return written, _written(fitted, shards, written.write)


def _written(fitted: Fitted, shards: Sequence[Shard], write: Callable[[int, Tensor], None]) -> list[int]:
    """Hands over float16 rows from a number on; the numbers of those of which nothing is left."""
    alike, start = list[int](), 0
    for piece in grouped(shards, max(1, READ_BYTES // (4 * fitted.width))):
        features = together(piece)
        rows = fitted.apply(features, torch.empty(len(features.values), fitted.width, dtype=torch.float16))
        write(start, rows)
        alike += (fitted.alike(rows) + start).tolist()
        start += len(rows)
    return alike
