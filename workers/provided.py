"""Feature matrices that users bring: .npy, .safetensors or .parquet, one row per record, in their order."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from store.errors import Invalid
from workers.features import FeatureBlock
from workers.tokenization import Status

Matrix = npt.NDArray[np.float32]
SKETCH = "provided"


@dataclass(frozen=True, slots=True)
class Sent:
    """How many records were sent to a pool, and which of them it stored, from 0."""

    count: int
    stored: Sequence[int]


def provided_block(data: bytes, name: str, rows: int, sent: Sent | None = None) -> FeatureBlock:
    """The (rows, d) matrix in a file as one block of features; rows that cannot be scored get a status.

    The file may also have a row for each record that was sent, of which the stored ones are taken. Raises
    Invalid for another format, shape or type. Losses and tokens are not known and are NaN and 0.
    """
    matrix = _read(data, name)
    if sent is not None and matrix.ndim == 2 and matrix.shape[0] == sent.count:
        matrix = matrix[list(sent.stored)]
    if matrix.ndim != 2 or matrix.shape[0] != rows or not matrix.shape[1]:
        raise _invalid(name, f"holds an array of shape {matrix.shape}, but there are {rows} records")
    norms = np.linalg.norm(matrix.astype(np.float64), axis=1)
    status: list[Status] = [_status(norm) for norm in norms]
    usable = np.array([item == "ok" for item in status])
    unit = np.where(usable[:, None], matrix / np.where(usable, norms, 1.0)[:, None], 0.0)
    return FeatureBlock(
        values=unit.astype(np.float32)[:, None, :],
        norms=norms.astype(np.float32)[:, None],
        nll=np.full(rows, np.nan, dtype=np.float32),
        tokens=np.zeros(rows, dtype=np.int32),
        status=status,
        sketch=f"{SKETCH}-{matrix.shape[1]}",
        stats={},
    )


def _status(norm: float) -> Status:
    if not np.isfinite(norm):
        return "non_finite"
    return "ok" if norm > 0 else "zero_gradient"


def _read(data: bytes, name: str) -> Matrix:
    readers: dict[str, Callable[[bytes, str], npt.NDArray[np.generic]]] = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".parquet": _parquet,
    }
    reader = readers.get(PurePath(name).suffix.lower())
    if reader is None:
        raise _invalid(name, f"has none of the suffixes {', '.join(readers)}")
    matrix = reader(data, name)
    if matrix.dtype.kind not in "fiu":
        raise _invalid(name, f"holds {matrix.dtype}, not numbers")
    return np.asarray(matrix, dtype=np.float32)


def _npy(data: bytes, name: str) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise _invalid(name, f"cannot be read as .npy ({error})") from error


def _safetensors(data: bytes, name: str) -> npt.NDArray[np.generic]:
    try:
        arrays = load_safetensors(data)
    except SafetensorError as error:
        raise _invalid(name, f"cannot be read as .safetensors ({error})") from error
    if len(arrays) != 1:
        raise _invalid(name, f"holds {len(arrays)} tensors ({', '.join(sorted(arrays))}), not one")
    return np.asarray(next(iter(arrays.values())))


def _parquet(data: bytes, name: str) -> npt.NDArray[np.generic]:
    """One column of equally long lists, or a number per column."""
    try:
        table = pq.read_table(pa.BufferReader(data))
        if table.num_columns == 1 and pa.types.is_nested(table.schema.field(0).type):
            return np.array(table.column(0).to_pylist(), dtype=np.float32)
        return np.column_stack([column.to_numpy() for column in table.columns])
    except (pa.ArrowInvalid, ValueError, TypeError) as error:
        raise _invalid(name, f"cannot be read as a numeric .parquet ({error})") from error


def _invalid(name: str, fault: str) -> Invalid:
    return Invalid(
        f"the feature file {name!r} {fault}: send one (records, d) matrix of numbers as .npy, .safetensors "
        "or .parquet, rows in the order of the records",
        code="bad_feature_file",
    )
