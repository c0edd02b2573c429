"""Feature matrices as the selection reads them: in blocks of rows, checked once, never copied whole."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.errors import InvalidInput

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BLOCK_BYTES = 64 * 2**20  # float32 of one block of rows: near the last-level cache, far below any memory
HASH_COLUMNS = 8
HASH_ROWS = 1_024  # rows hashed at once over all their columns
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIXING = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)  # of splitmix64
UNIT_TOLERANCE = 0.01  # on the norm; fp16 storage of a unit row is within 0.001


class Matrix(Protocol):
    """Rows (n, ...) of one of DTYPES: a tensor, or what is read like one."""

    @property
    def shape(self) -> torch.Size:
        """(n, ...)."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the rows lie."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows as they lie."""
        ...

    def __getitem__(self, index: Any, /) -> Tensor:
        """A slice or an index (r,) of rows -> (r, ...)."""
        ...


def row_blocks(features: Matrix, block_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
    """Slices that cut features (n, ...) by rows into blocks of about ``block_bytes`` in float32."""
    rows = max(1, block_bytes // (4 * max(1, features.shape[1:].numel())))
    for start in range(0, features.shape[0], rows):
        yield slice(start, min(start + rows, features.shape[0]))


def check_matrix(features: Tensor, name: str) -> None:
    """Raise InvalidInput unless features: (n, d) of one of DTYPES, n and d >= 1."""
    if features.ndim != 2 or 0 in features.shape:
        raise InvalidInput(
            f"{name} must be an (n, d) matrix with n, d >= 1; its shape is {tuple(features.shape)}: "
            "give one row per example"
        )
    if features.dtype not in DTYPES:
        raise InvalidInput(
            f"{name} must hold float32, float16 or bfloat16 numbers; its dtype is {features.dtype}: "
            "convert it with .float()"
        )


def check_unit_rows(features: Matrix, name: str, first: int = 0) -> None:
    """Raise InvalidInput at a row of features (n, d) that is not finite or not of norm 1; one pass.

    Rows are named from ``first`` on.
    """
    for rows in row_blocks(features):
        norms = torch.linalg.vector_norm(features[rows], dim=1, dtype=torch.float32)
        bad = ~((norms - 1.0).abs() <= UNIT_TOLERANCE)
        if bool(bad.any()):
            row = int(bad.nonzero()[0])
            raise InvalidInput(
                f"{name} row {first + rows.start + row} has norm {float(norms[row]):.6g}; every row must be "
                f"finite and of norm 1 ({int(bad.sum())} bad rows in this block): drop or normalise them"
            )


def column_hashes(features: Matrix) -> NDArray[np.int64]:
    """features (n, d) -> (n,) hashes of the first columns, which tell most rows apart."""
    parts = [_hash(features[rows][:, :HASH_COLUMNS]) for rows in row_blocks(features)]
    return np.concatenate(parts)


def row_hashes(features: Matrix, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """rows (r,) of features (n, d) -> (r,) 64-bit hashes of all their columns."""
    starts = range(0, len(rows), HASH_ROWS)
    parts = [torch.from_numpy(rows[start : start + HASH_ROWS]).to(features.device) for start in starts]
    return np.concatenate([np.empty(0, dtype=np.int64), *(_hash(features[part]) for part in parts)])


def _hash(rows: Tensor) -> NDArray[np.int64]:
    """(n,) 64-bit hash of the bits of ``rows`` (n, c), eight bytes at a time; -0 counts as 0.

    A sum of the words, each told from its neighbours by its place and mixed by splitmix64 (Steele, Lea and
    Flood 2014). Doubles count as the float32 that all else reads.
    """
    own = rows.float() if rows.dtype == torch.float64 else rows
    own = torch.nn.functional.pad(own + 0.0, (0, -own.shape[1] % (8 // own.element_size())))
    words = own.contiguous().cpu().view(torch.int64).numpy().view(np.uint64)
    places = np.arange(1, words.shape[1] + 1, dtype=np.uint64) * GOLDEN
    mixed = np.asarray(words + places, dtype=np.uint64)
    for shift, factor in MIXING:
        mixed ^= mixed >> shift
        mixed *= factor
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed.sum(axis=1, dtype=np.uint64).view(np.int64))


def gather(features: Matrix, index: Tensor) -> Tensor:
    """features (n, d), index (i,) -> (i, d) those rows as float32 on the features' device."""
    return features[index.to(features.device)].float()
