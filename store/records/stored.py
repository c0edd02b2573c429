"""Stored records as a sequence: kept by columns or read where they lie, each a `Record` while looked at."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.records.record import SCHEMA, Record, from_table

BATCH = 2_048  # records made at once by those who look at all

Rows = npt.NDArray[np.int64]
Read = Callable[[Sequence[str]], pa.Table]
"""The columns that there are of those named, of a group of records that follow each other."""


class Records(Sequence[Record]):
    """All records of some groups, or those of ``rows`` (r,), ascending.

    A Record takes several times the memory of its columns.
    """

    def __init__(self, groups: Sequence[tuple[int, Read]], rows: Rows | None = None) -> None:
        self._groups, self._rows = groups, rows
        self._starts = np.cumsum([0, *(count for count, _ in groups)], dtype=np.int64)

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> "Records":
        """Of tables in their order; those of earlier releases may lack columns."""
        groups: list[tuple[int, Read]] = []
        for table in tables:
            for start in range(0, table.num_rows, BATCH):
                part = table.slice(start, BATCH)
                groups.append((part.num_rows, partial(_columns, part)))
        return cls(groups)

    @classmethod
    def stored(cls, paths: Iterable[Path]) -> "Records":
        """Of Parquet files in their order, of which a group of rows is in memory at a time."""
        groups: list[tuple[int, Read]] = []
        last = _Last()
        for path in paths:
            file = pq.ParquetFile(path)
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            groups += [(rows, partial(last.read, file, number)) for number, rows in enumerate(sizes)]
        return cls(groups)

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> "Records": ...

    def __getitem__(self, index: int | slice) -> "Record | Records":
        if isinstance(index, slice):
            return self.at(np.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return next(iter(self.at([index % len(self)])))

    def __iter__(self) -> Iterator[Record]:
        for table in self.tables(SCHEMA.names):
            for start in range(0, table.num_rows, BATCH):
                yield from from_table(table.slice(start, BATCH))

    def at(self, rows: Sequence[int] | Rows) -> "Records":
        """Those of ``rows`` (r,), ascending."""
        wanted = np.asarray(rows, dtype=np.int64)
        return Records(self._groups, wanted if self._rows is None else self._rows[wanted])

    def column(self, name: str) -> Iterator[str]:
        """A column of texts, without the rest."""
        for table in self.tables([name]):
            yield from table.column(0).to_pylist()

    def among(self, name: str, some: Collection[str]) -> npt.NDArray[np.bool_]:
        """(n,) whose text in the column ``name`` is one of ``some``."""
        if not some:
            return np.zeros(len(self), dtype=bool)
        wanted, parts = pa.array(sorted(some), pa.string()), self.tables([name])
        return np.concatenate([np.zeros(0, dtype=bool), *(_are_in(table[name], wanted) for table in parts)])

    def tables(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The columns that there are of those named, a group at a time."""
        if self._rows is None:
            yield from (read(names) for _, read in self._groups)
            return
        bounds = np.searchsorted(self._rows, self._starts)
        for number, (first, last) in enumerate(pairwise(bounds)):
            if first < last:
                count, read = self._groups[number]
                table, own = read(names), self._rows[first:last] - self._starts[number]
                yield table if len(own) == count else table.take(pa.array(own))


def some(records: Sequence[Record], rows: Iterable[int]) -> dict[int, Record]:
    """Records by their places ``rows``, in whatever order these are named."""
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    found = records.at(wanted) if isinstance(records, Records) else [records[row] for row in wanted.tolist()]
    return dict(zip(wanted.tolist(), found, strict=True))


def _are_in(column: pa.ChunkedArray, wanted: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_in(column, wanted).to_numpy())


def _columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    return table.select([name for name in names if name in table.column_names])


class _Last:
    """Reads groups of rows and keeps the last: its rows are often asked for one after the other."""

    def __init__(self) -> None:
        self._key: tuple[int, int, tuple[str, ...]] | None = None
        self._table = pa.table({})

    def read(self, file: pq.ParquetFile, number: int, names: Sequence[str]) -> pa.Table:
        """The columns that there are of those named."""
        key = id(file), number, tuple(names)
        if key != self._key:
            there = [name for name in names if name in file.schema_arrow.names]
            self._key, self._table = key, file.read_row_group(number, columns=there)
        return self._table
