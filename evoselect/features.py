"""Feature matrices as the selection reads them: in blocks of rows, checked once, never copied whole."""

from collections.abc import Iterator

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


def row_blocks(features: Tensor, block_bytes: int = BLOCK_BYTES) -> Iterator[slice]:
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


def check_unit_rows(features: Tensor, name: str) -> None:
    """Raise InvalidInput at a row of features (n, d) that is not finite or not of norm 1; one pass."""
    for rows in row_blocks(features):
        norms = torch.linalg.vector_norm(features[rows], dim=1, dtype=torch.float32)
        bad = ~((norms - 1.0).abs() <= UNIT_TOLERANCE)
        if bool(bad.any()):
            row = int(bad.nonzero()[0])
            raise InvalidInput(
                f"{name} row {rows.start + row} has norm {float(norms[row]):.6g}; every row must be finite "
                f"and of norm 1 ({int(bad.sum())} bad rows in this block): drop or normalise them first"
            )


def distinct_rows(features: Tensor) -> NDArray[np.int64]:
    """features (n, d) -> (u,) first row of every set of bit-equal rows, ascending.

    A few columns decide about most rows; a 64-bit hash of all columns decides about the rest.
    """
    key = _hash(features[:, :HASH_COLUMNS])
    _, first, group, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    if len(first) == features.shape[0]:
        return np.sort(first)
    unsure = np.flatnonzero(counts[group] > 1)
    hashes = [_hash(gather(features, torch.from_numpy(unsure[part]))) for part in _parts(unsure)]
    pairs = np.stack([key[unsure], np.concatenate(hashes)], axis=1)
    _, kept = np.unique(pairs, axis=0, return_index=True)
    return np.sort(np.concatenate([first[counts == 1], unsure[kept]]))


def copies_of(features: Tensor, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows (c,) of features (N, d) that are bit-equal to one of ``rows`` (r,), and those, ascending."""
    key = _hash(features[:, :HASH_COLUMNS])
    alike = np.flatnonzero(np.isin(key, key[rows]))
    whole = np.concatenate([_hash(gather(features, torch.from_numpy(alike[part]))) for part in _parts(alike)])
    own = _hash(gather(features, torch.from_numpy(rows)))
    return np.asarray(alike[np.isin(whole, own)])


def _parts(index: NDArray[np.int64]) -> Iterator[slice]:
    return (slice(start, start + HASH_ROWS) for start in range(0, len(index), HASH_ROWS))


def _hash(rows: Tensor) -> NDArray[np.int64]:
    """(n,) 64-bit multilinear hash of the bits of float32 ``rows`` (n, c); -0 counts as 0."""
    bits = (rows.float() + 0.0).contiguous().view(torch.int32).long()
    odd = torch.from_numpy(np.random.default_rng(0).integers(1, 2**62, rows.shape[1]) | 1).to(rows.device)
    return np.asarray((bits * odd).sum(dim=1).cpu().numpy())


def gather(features: Tensor, index: Tensor) -> Tensor:
    """features (n, d), index (i,) -> (i, d) those rows as float32 on the features' device."""
    return features[index.to(features.device)].float()
