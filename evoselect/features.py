"""Feature matrices as the selection reads them: in blocks of rows, checked once, never copied whole."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.errors import InvalidInput

BLOCK_BYTES = (
    64 * 2**20
)  # float32 bytes of one block of rows: stays near the last-level cache, far below any memory
HASH_COLUMNS = 8
HASH_ROWS = 16_384  # rows hashed at once over all their columns
UNIT_TOLERANCE = 0.01  # on the norm; fp16 storage of a unit row is within 0.001


class Matrix(Protocol):
    """Rows (n, ...) of any floating dtype: a tensor, or what is read like one."""

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
    """Raise InvalidInput unless features: (n, d), floating, n and d >= 1."""
    if features.ndim != 2 or 0 in features.shape:
        raise InvalidInput(
            f"{name} must be an (n, d) matrix with n, d >= 1; its shape is {tuple(features.shape)}: "
            "give one row per example"
        )
    if not features.is_floating_point():
        raise InvalidInput(
            f"{name} must hold floating point numbers; its dtype is {features.dtype}: "
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
    parts = [_hash(gather(features, torch.from_numpy(rows[part]))) for part in _parts(rows)]
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def _parts(index: NDArray[np.int64]) -> Iterator[slice]:
    return (slice(start, start + HASH_ROWS) for start in range(0, len(index), HASH_ROWS))


def _hash(rows: Tensor) -> NDArray[np.int64]:
    """(n,) 64-bit multilinear hash of the bits of float32 ``rows`` (n, c); -0 counts as 0."""
    bits = (rows.float() + 0.0).contiguous().view(torch.int32).long()
    odd = torch.from_numpy(np.random.default_rng(0).integers(1, 2**62, rows.shape[1]) | 1).to(rows.device)
    return np.asarray((bits * odd).sum(dim=1).cpu().numpy())


def gather(features: Matrix, index: Tensor) -> Tensor:
    """features (n, d), index (i,) -> (i, d) those rows as float32 on the features' device."""
    return features[index.to(features.device)].float()
