"""Feature matrices that users bring, one row per record, in their order."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.features import Matrix
from evoselect.representations.shards import Features, Shard
from evoselect.representations.sums import BLOCK_BYTES
from workers.features.block_files import STATUSES
from workers.features.file_rows import ranges
from workers.features.known import Known
from workers.features.matrices import invalid, open_matrix
from workers.features.statuses import Statuses
from workers.models.status import Status

SKETCH = "provided"
LEAST_NORM, MOST_NORM = 1e-6, 1e15
KINDS: tuple[Status, ...] = ("ok", "zero_gradient", "non_finite")
OK, ZERO, NON_FINITE = (STATUSES.index(kind) for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Sent:
    """How many records were sent to a pool, and which of them it stored, from 0."""

    count: int
    stored: Ints  # (n,)


@dataclass(frozen=True, slots=True)
class Provided:
    """The rows of a matrix that are features of records."""

    known: Known
    shards: tuple[Shard, ...]
    """They a block at a time."""
    matrix: Matrix
    rows: Ints
    """(n,) ascending: each record's row of the matrix."""
    copied: bool
    """Whether the matrix is a copy of what is in the file."""


def provided(
    path: Path, name: str, rows: int, sent: Sent | None = None, *, scratch: Path | None = None
) -> Provided:
    """The (rows, d) matrix in a file, and what is known of its rows.

    Of float16 or float32 in .npy or .safetensors only what is asked for is read, its rows as long as they
    are: conditioning scales every block to norm 1. Others are copied, large ones to a file in ``scratch``
    where there is one. The file may also have a row for each record that was sent, of which the stored ones
    are taken. Raises Invalid for another format, shape or type. Tokens are not known: 0.
    """
    matrix, copied = open_matrix(path, name, scratch)
    shape = tuple(matrix.shape)
    stored = rows_of(shape[0] if shape else 0, rows, sent)
    if len(shape) != 2 or stored is None or not shape[1]:
        raise invalid(name, f"holds an array of shape {shape}, but there are {rows} records")
    wanted = in_blocks(stored, shape[1])
    known = Known(unknown_tokens(rows), _statuses(matrix, wanted, rows), sketch_of(shape[1]))
    shards = tuple(Shard(len(own), partial(features_of, matrix, own)) for own in wanted)
    return Provided(known, shards, matrix, stored, copied)


def rows_of(held: int, rows: int, sent: Sent | None) -> Ints | None:
    """(rows,) ascending: each record's row of a matrix that has ``held``; None where they do not fit."""
    if sent is not None and held == sent.count != len(sent.stored):
        return sent.stored if len(sent.stored) == rows else None
    return np.arange(rows) if held == rows else None


def sketch_of(width: int) -> str:
    """Of rows of so many numbers, whatever made them."""
    return f"{SKETCH}-{width}"


def unknown_tokens(rows: int) -> npt.NDArray[np.int32]:
    """(rows,) zeros."""
    return np.zeros(rows, dtype=np.int32)


def in_blocks(rows: Ints, width: int) -> list[Ints]:
    """``rows`` (r,) of so many numbers each as they are read at once."""
    step = max(1, BLOCK_BYTES // (4 * width))
    return [rows[start:stop] for start, stop in ranges(len(rows), step)]


def _taken(matrix: Matrix, rows: Ints) -> Tensor:
    """Rows (r,), ascending, of the matrix, in one piece where they follow each other."""
    if not len(rows):
        return matrix[:0]
    first, last = int(rows[0]), int(rows[-1]) + 1
    whole = last - first == len(rows)
    return matrix[first:last] if whole else matrix[torch.from_numpy(rows)]


def features_of(matrix: Matrix, rows: Ints) -> Features:
    """Rows (r,) as one block each; those that float32 could not square become unit rows first."""
    values = _taken(matrix, rows)
    norms = torch.from_numpy(_norms(values))
    usable = torch.isfinite(norms) & (norms > 0)
    odd = usable & ~((norms > LEAST_NORM) & (norms < MOST_NORM))
    if bool(odd.any()):
        values = values.float().clone()
        values[odd] = (values[odd].double() / norms[odd][:, None]).float()
    return Features(values[:, None, :])


def _statuses(matrix: Matrix, blocks: Iterable[Ints], rows: int) -> Statuses:
    """Of so many rows that follow each other in blocks."""
    codes, done = np.empty(rows, dtype=np.uint8), 0  # whole at once: small arrays between blocks hold memory
    for own in blocks:
        norms = _norms(_taken(matrix, own))
        kinds = np.where(np.isfinite(norms), np.where(norms > 0, OK, ZERO), NON_FINITE)
        codes[done : done + len(own)] = kinds
        done += len(own)
    return Statuses(codes, STATUSES)


def _norms(rows: Tensor) -> npt.NDArray[np.float64]:
    """(n,) norm of every row: to the last bit where it is not an ordinary one."""
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32).double()
    odd = ~((norms > 10 * LEAST_NORM) & (norms < MOST_NORM / 10))
    norms[odd] = torch.linalg.vector_norm(rows[odd].double(), dim=1)
    return np.asarray(norms.numpy())
