"""Rows of numbers in a file, read a range at a time: memory goes by what is read, never by the file."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.arrays import Ints

GAP_BYTES = 2**15  # that are read and dropped between two rows sooner than the file is asked twice
PIECE_BYTES = 2**21  # read at once for rows here and there


class FileRows:
    """(n, width) float16 or float32 rows that lie one after the other from ``offset`` bytes on.

    They are indexed like a tensor. A read is a copy: nothing of the file is mapped.
    """

    def __init__(
        self, file: IO[bytes], dtype: npt.DTypeLike, shape: tuple[int, int], offset: int = 0
    ) -> None:
        self.file, self._dtype, self._offset = file, np.dtype(dtype), offset
        self.shape = torch.Size(shape)
        self.device = torch.device("cpu")
        self.dtype = torch.from_numpy(np.empty(0, self._dtype)).dtype

    def offset(self, row: int) -> int:
        """Bytes of the file before a row."""
        return self._offset + row * self._row_bytes

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self._dtype.itemsize

    def part(self, start: int, stop: int) -> "FileRows":
        """Rows ``start`` to ``stop`` as rows from 0 on."""
        offset = self._offset + start * self._row_bytes
        return FileRows(self.file, self._dtype, (stop - start, self.shape[1]), offset)

    def __getitem__(self, index: Any, /) -> Tensor:
        """A slice or an index (i,) of rows -> (i, width)."""
        if isinstance(index, slice):
            start, stop, step = index.indices(self.shape[0])
            if step == 1:
                return torch.from_numpy(self._read(start, max(start, stop)))
            index = np.arange(start, stop, step)
        return torch.from_numpy(self._some(np.asarray(index, dtype=np.int64)))

    def _some(self, rows: Ints) -> npt.NDArray[Any]:
        """rows (r,) in any order, in as few reads as are worth it -> (r, width)."""
        found = np.empty((len(rows), self.shape[1]), self._dtype)
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        far = np.diff(ascending) * self._row_bytes > GAP_BYTES
        pieces = ascending // max(1, PIECE_BYTES // max(1, self._row_bytes))
        cuts = np.flatnonzero(far | (np.diff(pieces) > 0)) + 1
        for own in np.split(np.arange(len(rows)), cuts) if len(rows) else ():
            first, last = int(ascending[own[0]]), int(ascending[own[-1]])
            found[order[own]] = self._read(first, last + 1)[ascending[own] - first]
        return found

    def write(self, start: int, rows: Tensor) -> None:
        """Put rows (r, width) of the file's dtype behind the first ``start``."""
        left = np.ascontiguousarray(rows.numpy()).reshape(-1).view(np.uint8).data
        at = self._offset + start * self._row_bytes
        while left:
            done = os.pwrite(self.file.fileno(), left, at)
            left, at = left[done:], at + done

    def _read(self, start: int, stop: int) -> npt.NDArray[Any]:
        found = np.empty((stop - start, self.shape[1]), self._dtype)
        left, at = found.reshape(-1).view(np.uint8).data, start * self._row_bytes
        while left:
            done = os.preadv(self.file.fileno(), [left], self._offset + at)
            if not done:
                raise OSError(f"a file of features ended at byte {self._offset + at}, {len(left)} too early")
            left, at = left[done:], at + done
        return found


class Spill:
    """Matrices of any number, one after the other in a file without a name: one open file for all."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it lives as long as the rows
        self._end = 0

    def put(self, rows: Tensor) -> FileRows:
        """Rows (n, width) of float16 or float32, from now on in the file."""
        kept = FileRows(self._file, rows.numpy().dtype, (rows.shape[0], rows.shape[1]), self._end)
        kept.write(0, rows)
        self._end = kept.offset(rows.shape[0])
        return kept


def scratch_rows(folder: Path, dtype: npt.DTypeLike, shape: tuple[int, int]) -> FileRows:
    """Zero rows in a file without a name in ``folder``.

    It is gone with its last reference, however the process ends. Raises OSError where the disk has no room
    for it.
    """
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it lives as long as the rows
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    return FileRows(file, dtype, shape)


def ranges(rows: int, step: int) -> Iterator[tuple[int, int]]:
    """Start and stop of runs of at most ``step`` of so many rows."""
    return ((start, min(start + step, rows)) for start in range(0, rows, step))
