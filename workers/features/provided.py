"""Feature matrices that users bring: .npy, .safetensors or .parquet, one row per record, in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open

from evoselect.features import row_blocks
from evoselect.representations.sums import BLOCK_BYTES
from store.errors import Invalid
from workers.features.block import FeatureBlock
from workers.models.tokenization import Status

Matrix = npt.NDArray[np.floating[Any]]
SKETCH = "provided"
LEAST_NORM, MOST_NORM = 1e-6, 1e15
SAFETENSORS_MAPPED = {"F16": np.float16, "F32": np.float32}  # read in blocks from where they lie, as in .npy
SAFETENSORS_WIDENED = (
    "BF16",
    "F8_E4M3",
    "F8_E5M2",
)  # which numpy has not: their numbers are exact in float32


@dataclass(frozen=True, slots=True)
class Sent:
    """How many records were sent to a pool, and which of them it stored, from 0."""

    count: int
    stored: Sequence[int]


def provided_block(path: Path, name: str, rows: int, sent: Sent | None = None) -> FeatureBlock:
    """The (rows, d) matrix in a file as one block of features; rows that cannot be scored get a status.

    A matrix of float16 or float32 in .npy or .safetensors stays mapped, its rows as long as they are:
    conditioning scales every block to norm 1. The file may also have a row for each record that was sent, of
    which the stored ones are taken. Raises Invalid for another format, shape or type. Losses and tokens are
    not known: NaN and 0.
    """
    matrix = _read(path, name)
    if sent is not None and matrix.ndim == 2 and matrix.shape[0] == sent.count != len(sent.stored):
        matrix = matrix[list(sent.stored)]
    if matrix.ndim != 2 or matrix.shape[0] != rows or not matrix.shape[1]:
        raise _invalid(name, f"holds an array of shape {matrix.shape}, but there are {rows} records")
    norms = _norms(matrix)
    status: list[Status] = [_status(norm) for norm in norms]
    return FeatureBlock(
        values=_in_range(matrix, norms)[:, None, :],
        norms=norms.astype(np.float32)[:, None],
        nll=np.full(rows, np.nan, dtype=np.float32),
        tokens=np.zeros(rows, dtype=np.int32),
        status=status,
        sketch=f"{SKETCH}-{matrix.shape[1]}",
        stats={},
    )


def _in_range(matrix: Matrix, norms: npt.NDArray[np.float64]) -> Matrix:
    """The matrix, or unit rows where float32 could not square some of its numbers."""
    usable = np.isfinite(norms) & (norms > 0)
    if ((norms[usable] > LEAST_NORM) & (norms[usable] < MOST_NORM)).all():
        return matrix
    unit = np.where(usable[:, None], matrix / np.where(usable, norms, 1.0)[:, None], 0.0)
    return unit.astype(np.float32)


def _norms(matrix: Matrix) -> npt.NDArray[np.float64]:
    """(n,) norm of every row, a block of rows at a time."""
    norms = np.empty(len(matrix))
    for block in row_blocks(torch.from_numpy(matrix), BLOCK_BYTES):
        norms[block] = np.linalg.norm(matrix[block].astype(np.float64), axis=1)
    return norms


def _status(norm: float) -> Status:
    if not np.isfinite(norm):
        return "non_finite"
    return "ok" if norm > 0 else "zero_gradient"


def _read(path: Path, name: str) -> Matrix:
    readers: dict[str, Callable[[Path, str], npt.NDArray[np.generic]]] = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".parquet": _parquet,
    }
    reader = readers.get(PurePath(name).suffix.lower())
    if reader is None:
        raise _invalid(name, f"has none of the suffixes {', '.join(readers)}")
    matrix = reader(path, name)
    if matrix.dtype.kind not in "fiu":
        raise _invalid(name, f"holds {matrix.dtype}, not numbers")
    if matrix.dtype == np.float16:
        return np.asarray(matrix, dtype=np.float16)
    return np.asarray(matrix, dtype=np.float32)  # no copy of what is float32 already


def _npy(path: Path, name: str) -> npt.NDArray[np.generic]:
    try:
        matrix: npt.NDArray[np.generic] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _invalid(name, f"cannot be read as .npy ({error})") from error
    return np.asarray(matrix)


def _safetensors(path: Path, name: str) -> npt.NDArray[np.generic]:
    try:
        with safe_open(path, framework="np") as file:
            names = sorted(file.keys())
            if len(names) != 1:
                raise _invalid(name, f"holds {len(names)} tensors ({', '.join(names)}), not one")
            about = file.get_slice(names[0])
            dtype, shape = str(about.get_dtype()), tuple(about.get_shape())
            if dtype not in (*SAFETENSORS_MAPPED, *SAFETENSORS_WIDENED):
                return np.asarray(file.get_tensor(names[0]))
        if dtype in SAFETENSORS_WIDENED:
            with safe_open(path, framework="pt") as file:
                return np.asarray(file.get_tensor(names[0]).float().numpy())
    except (
        AttributeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as error:  # the first of a type without a name
        raise _invalid(name, f"cannot be read as .safetensors ({error})") from error
    with path.open("rb") as raw:
        offset = 8 + int.from_bytes(raw.read(8), "little")  # of the one tensor: the data follow the header
    return np.asarray(np.memmap(path, SAFETENSORS_MAPPED[dtype], "c", offset, shape))


def _parquet(path: Path, name: str) -> npt.NDArray[np.generic]:
    """One column of equally long lists, or a number per column; not mapped."""
    try:
        table = pq.read_table(path)
        if table.num_columns == 1 and pa.types.is_nested(table.schema.field(0).type):
            return np.array(table.column(0).to_pylist(), dtype=np.float32)
        return np.column_stack([column.to_numpy() for column in table.columns])
    except (pa.ArrowException, ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise _invalid(name, f"cannot be read as a numeric .parquet ({error})") from error


def _invalid(name: str, fault: str) -> Invalid:
    return Invalid(
        f"the feature file {name!r} {fault}: send one (records, d) matrix of numbers as .npy, .safetensors "
        "or .parquet, rows in the order of the records",
        code="bad_feature_file",
    )
