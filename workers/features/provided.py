"""Feature matrices that users bring: .npy, .safetensors or .parquet, one row per record, in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.features import Matrix
from evoselect.representations.shards import Features, Shard
from evoselect.representations.sums import BLOCK_BYTES
from store.errors import Invalid
from workers.features.file_rows import FileRows, ranges
from workers.features.known import Known
from workers.models.tokenization import Status

SKETCH = "provided"
PARQUET_ROWS = 8_192  # read at once
LEAST_NORM, MOST_NORM = 1e-6, 1e15
READ_IN_PLACE = (np.dtype(np.float16), np.dtype(np.float32))  # row by row from where they lie
SAFETENSORS_IN_PLACE = {"F16": np.float16, "F32": np.float32}
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


def provided(path: Path, name: str, rows: int, sent: Sent | None = None) -> tuple[Known, tuple[Shard, ...]]:
    """What is known of the rows of the (rows, d) matrix in a file, and the rows as shards of one block each.

    Of float16 or float32 in .npy or .safetensors only what is asked for is read, its rows as long as they
    are: conditioning scales every block to norm 1. The file may also have a row for each record that was
    sent, of which the stored ones are taken. Raises Invalid for another format, shape or type. Tokens are not
    known: 0.
    """
    matrix = _read(path, name)
    shape, stored = tuple(matrix.shape), np.arange(rows)
    held = shape[0] if shape else 0
    if sent is not None and held == sent.count != len(sent.stored):
        stored = np.asarray(sent.stored, dtype=np.int64)
        held = len(stored)
    if len(shape) != 2 or held != rows or not shape[1]:
        raise _invalid(name, f"holds an array of shape {shape}, but there are {rows} records")
    step = max(1, BLOCK_BYTES // (4 * shape[1]))
    wanted = [stored[start:stop] for start, stop in ranges(rows, step)]
    norms = [_norms(_taken(matrix, own)) for own in wanted]
    status: list[Status] = [_status(norm) for own in norms for norm in own.tolist()]
    known = Known(np.zeros(rows, dtype=np.int32), status, f"{SKETCH}-{shape[1]}")
    return known, tuple(Shard(len(own), partial(_features, matrix, own)) for own in wanted)


def _taken(matrix: Matrix, rows: Ints) -> Tensor:
    """Rows (r,), ascending, of the matrix, in one piece where they follow each other."""
    if not len(rows):
        return matrix[:0]
    first, last = int(rows[0]), int(rows[-1]) + 1
    whole = last - first == len(rows)
    return matrix[first:last] if whole else matrix[torch.from_numpy(rows)]


def _features(matrix: Matrix, rows: Ints) -> Features:
    """Rows (r,) as one block each; those that float32 could not square become unit rows first."""
    values = _taken(matrix, rows)
    norms = torch.from_numpy(_norms(values))
    usable = torch.isfinite(norms) & (norms > 0)
    odd = usable & ~((norms > LEAST_NORM) & (norms < MOST_NORM))
    if bool(odd.any()):
        values = values.float().clone()
        values[odd] = (values[odd].double() / norms[odd][:, None]).float()
    return Features(values[:, None, :])


def _norms(rows: Tensor) -> npt.NDArray[np.float64]:
    """(n,) norm of every row."""
    return np.asarray(torch.linalg.vector_norm(rows.double(), dim=1).numpy())


def _status(norm: float) -> Status:
    if not np.isfinite(norm):
        return "non_finite"
    return "ok" if norm > 0 else "zero_gradient"


def _read(path: Path, name: str) -> Matrix:
    readers: dict[str, Callable[[Path, str], npt.NDArray[np.generic] | FileRows]] = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".parquet": _parquet,
    }
    reader = readers.get(PurePath(name).suffix.lower())
    if reader is None:
        raise _invalid(name, f"has none of the suffixes {', '.join(readers)}")
    matrix = reader(path, name)
    if isinstance(matrix, FileRows):
        return matrix
    if matrix.dtype.kind not in "fiu":
        raise _invalid(name, f"holds {matrix.dtype}, not numbers")
    dtype = np.float16 if matrix.dtype == np.float16 else np.float32
    return torch.from_numpy(np.array(matrix, dtype=dtype))


def _npy(path: Path, name: str) -> npt.NDArray[np.generic] | FileRows:
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _invalid(name, f"cannot be read as .npy ({error})") from error
    where = matrix.ndim == 2 and matrix.flags.c_contiguous and isinstance(matrix, np.memmap)
    if where and matrix.dtype in READ_IN_PLACE:
        return FileRows(path.open("rb"), matrix.dtype, matrix.shape, matrix.offset)
    return np.asarray(matrix)


def _safetensors(path: Path, name: str) -> npt.NDArray[np.generic] | FileRows:
    try:
        with safe_open(path, framework="np") as file:
            names = sorted(file.keys())
            if len(names) != 1:
                raise _invalid(name, f"holds {len(names)} tensors ({', '.join(names)}), not one")
            about = file.get_slice(names[0])
            dtype, shape = str(about.get_dtype()), tuple(about.get_shape())
            if len(shape) != 2 or dtype not in (*SAFETENSORS_IN_PLACE, *SAFETENSORS_WIDENED):
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
    raw = path.open("rb")
    offset = 8 + int.from_bytes(raw.read(8), "little")  # of the one tensor: the data follow the header
    return FileRows(raw, SAFETENSORS_IN_PLACE[dtype], (shape[0], shape[1]), offset)


def _parquet(path: Path, name: str) -> npt.NDArray[np.generic]:
    """One column of equally long lists, or a number per column; one copy in memory."""
    try:
        file = pq.ParquetFile(path)
        found, done = np.empty((file.metadata.num_rows, 0)), 0
        for batch in file.iter_batches(PARQUET_ROWS):
            rows = _numbers(batch)
            if rows.dtype.kind not in "fiu":
                return rows
            if not done:
                dtype = np.float16 if rows.dtype == np.float16 else np.float32
                found = np.empty((len(found), rows.shape[1]), dtype)
            if rows.shape[1] != found.shape[1]:
                raise ValueError(f"rows of {found.shape[1]} and of {rows.shape[1]} numbers")
            found[done : done + len(rows)] = rows
            done += len(rows)
        return found
    except (pa.ArrowException, ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise _invalid(name, f"cannot be read as a numeric .parquet ({error})") from error


def _numbers(batch: pa.RecordBatch) -> npt.NDArray[np.generic]:
    """(rows, d) of a batch; a number that is missing is NaN."""
    lists = batch.column(0)
    if batch.num_columns > 1 or not pa.types.is_nested(lists.type):
        return np.column_stack([column.to_numpy(zero_copy_only=False) for column in batch.columns])
    widths = {*pc.unique(pc.list_value_length(lists)).to_pylist()}
    if len(widths) != 1 or None in widths:
        raise ValueError(f"rows of {sorted(map(str, widths))} numbers")
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values.reshape(len(lists), -1))


def _invalid(name: str, fault: str) -> Invalid:
    return Invalid(
        f"the feature file {name!r} {fault}: send one (records, d) matrix of numbers as .npy, .safetensors "
        "or .parquet, rows in the order of the records",
        code="bad_feature_file",
    )
