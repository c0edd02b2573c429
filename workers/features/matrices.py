"""Feature matrices in the files that users send: .npy, .safetensors or .parquet, a range of rows at a time.

Rows of float16 or float32 are read from where they lie. Everything else is copied once: in memory where it is
small, else in a file.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open

from evoselect.features import Matrix
from store.errors import Invalid
from workers.features.conditioned_rows import READ_BYTES, is_large
from workers.features.file_rows import FileRows, ranges, scratch_rows

Numbers = npt.NDArray[np.generic]
Kind = np.dtype[np.generic]

PARQUET_ROWS = 8_192  # read at once
PARQUET_BUFFER = 2**20  # bytes of a column's pages, else all of a row group is held
READ_IN_PLACE = (np.dtype(np.float16), np.dtype(np.float32))  # row by row from where they lie
SAFETENSORS_IN_PLACE = {"F16": np.float16, "F32": np.float32}
SAFETENSORS_WIDENED = (
    "BF16",
    "F8_E4M3",
    "F8_E5M2",
)  # which numpy has not: their numbers are exact in float32


@dataclass(frozen=True, slots=True)
class _Copy:
    matrix: Matrix


def open_matrix(path: Path, name: str, scratch: Path | None = None) -> tuple[Matrix, bool]:
    """The matrix of a file that came under a name, and whether it is a copy.

    It is FileRows where it is read from a file. A copy that is large lies in a file in ``scratch``, where
    there is one. What has not two dimensions has its shape and no numbers. Raises Invalid for another format
    or type.
    """
    readers: dict[str, Callable[[Path, str, Path | None], FileRows | _Copy]] = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".parquet": _parquet,
    }
    reader = readers.get(PurePath(name).suffix.lower())
    if reader is None:
        raise invalid(name, f"has none of the suffixes {', '.join(readers)}")
    found = reader(path, name, scratch)
    return (found.matrix, True) if isinstance(found, _Copy) else (found, False)


def invalid(name: str, fault: str) -> Invalid:
    """What a feature file with this fault is refused with."""
    return Invalid(
        f"the feature file {name!r} {fault}: send one (records, d) matrix of numbers as .npy, .safetensors "
        "or .parquet, rows in the order of the records",
        code="bad_feature_file",
    )


def _npy(path: Path, name: str, scratch: Path | None) -> FileRows | _Copy:
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise invalid(name, f"cannot be read as .npy ({error})") from error
    dtype, shape = _kept(matrix.dtype, name), tuple(matrix.shape)
    if len(shape) != 2:
        return _Copy(torch.empty(shape, device="meta"))
    if matrix.flags.c_contiguous and isinstance(matrix, np.memmap) and matrix.dtype in READ_IN_PLACE:
        return FileRows(path.open("rb"), matrix.dtype, (shape[0], shape[1]), matrix.offset)
    del matrix

    def read(start: int, stop: int) -> Numbers:
        """What is mapped counts as memory, so nothing stays mapped."""
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)[start:stop])

    return _copied(_blocks(read, shape[0], shape[1]), (shape[0], shape[1]), dtype, scratch)


def _safetensors(path: Path, name: str, scratch: Path | None) -> FileRows | _Copy:
    try:
        with safe_open(path, framework="np") as file:
            names = sorted(file.keys())
            if len(names) != 1:
                raise invalid(name, f"holds {len(names)} tensors ({', '.join(names)}), not one")
            about = file.get_slice(names[0])
            kind, shape = str(about.get_dtype()), tuple(about.get_shape())
            if len(shape) == 2 and kind in SAFETENSORS_IN_PLACE:
                raw = path.open("rb")
                offset = 8 + int.from_bytes(raw.read(8), "little")  # the data of one tensor follow the header
                return FileRows(raw, SAFETENSORS_IN_PLACE[kind], (shape[0], shape[1]), offset)
            widened = len(shape) == 2 and kind in SAFETENSORS_WIDENED
            dtype: Kind = np.dtype(np.float32)
            if not widened:
                probe = about[:1] if len(shape) == 2 else file.get_tensor(names[0])
                dtype = _kept(np.asarray(probe).dtype, name)
        if len(shape) != 2:
            return _Copy(torch.empty(shape, device="meta"))

        def read(start: int, stop: int) -> Numbers:
            with safe_open(path, framework="pt" if widened else "np") as file:
                part = file.get_slice(names[0])[start:stop]
                return np.asarray(part.float().numpy() if widened else part)

        return _copied(_blocks(read, shape[0], shape[1]), (shape[0], shape[1]), dtype, scratch)
    except (
        AttributeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as error:  # the first of a type without a name
        raise invalid(name, f"cannot be read as .safetensors ({error})") from error


def _parquet(path: Path, name: str, scratch: Path | None) -> FileRows | _Copy:
    """One column of equally long lists, or a number per column."""
    try:
        file = pq.ParquetFile(path, buffer_size=PARQUET_BUFFER)
        batches = (_numbers(batch) for batch in file.iter_batches(PARQUET_ROWS))
        first = next(batches, np.empty((0, 0)))
        dtype, width = _kept(first.dtype, name), first.shape[1]
        same = _of_width(chain([first], batches), width)
        return _copied(same, (file.metadata.num_rows, width), dtype, scratch)
    except (pa.ArrowException, ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise invalid(name, f"cannot be read as a numeric .parquet ({error})") from error


def _numbers(batch: pa.RecordBatch) -> Numbers:
    """(rows, d) of a batch; a number that is missing is NaN."""
    lists = batch.column(0)
    if batch.num_columns > 1 or not pa.types.is_nested(lists.type):
        return np.column_stack([column.to_numpy(zero_copy_only=False) for column in batch.columns])
    widths = {*pc.unique(pc.list_value_length(lists)).to_pylist()}
    if len(widths) != 1 or None in widths:
        raise ValueError(f"rows of {sorted(map(str, widths))} numbers")
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values.reshape(len(lists), -1))


def _of_width(blocks: Iterable[Numbers], width: int) -> Iterator[Numbers]:
    for block in blocks:
        if block.shape[1] != width:
            raise ValueError(f"rows of {width} and of {block.shape[1]} numbers")
        yield block


def _kept(dtype: Kind, name: str) -> Kind:
    """What numbers of this type are kept as; raises Invalid for what is no number."""
    if dtype.kind not in "fiu":
        raise invalid(name, f"holds {dtype}, not numbers")
    return np.dtype(np.float16 if dtype == np.float16 else np.float32)


def _blocks(read: Callable[[int, int], Numbers], rows: int, width: int) -> Iterator[Numbers]:
    step = max(1, READ_BYTES // (4 * max(1, width)))
    return (read(start, stop) for start, stop in ranges(rows, step))


def _copied(blocks: Iterable[Numbers], shape: tuple[int, int], dtype: Kind, scratch: Path | None) -> _Copy:
    """(rows, d) of the dtype from blocks of rows in their order."""
    found: FileRows | torch.Tensor = torch.from_numpy(np.empty(shape, dtype))
    if scratch is not None and is_large(shape[0], max(1, shape[1])):
        found = scratch_rows(scratch, dtype, shape)
    start = 0
    for block in blocks:
        rows = torch.from_numpy(np.array(block, dtype=dtype, order="C"))
        if isinstance(found, FileRows):
            found.write(start, rows)
        else:
            found[start : start + len(rows)] = rows
        start += len(rows)
    return _Copy(found)
