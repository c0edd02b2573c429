"""Stored records as a sequence: kept by columns, each a `Record` only while it is looked at."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.records.record import SCHEMA, Record, from_table

BATCH = 2_048  # records made at once by those who look at all

Rows = npt.NDArray[np.int64]


class Records(Sequence[Record]):
    """All records of some tables, or those of ``rows`` (r,), ascending.

    A Record takes several times the memory of its columns.
    """

    def __init__(self, table: pa.Table, rows: Rows | None = None) -> None:
        self._table, self._rows = table, rows

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> "Records":
        """Of tables in their order; those of earlier releases may lack columns, others are left out."""
        named = ((table, [name for name in SCHEMA.names if name in table.column_names]) for table in tables)
        held = [table.select(names) for table, names in named]
        return cls(pa.concat_tables(held, promote_options="default") if held else SCHEMA.empty_table())

    def __len__(self) -> int:
        return self._table.num_rows if self._rows is None else len(self._rows)

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
        for table in self._batches(self._table.column_names):
            yield from from_table(table)

    def at(self, rows: Sequence[int] | Rows) -> "Records":
        """Those of ``rows`` (r,), ascending."""
        wanted = np.asarray(rows, dtype=np.int64)
        return Records(self._table, wanted if self._rows is None else self._rows[wanted])

    def column(self, name: str) -> Iterator[str]:
        """A column of texts, without the rest."""
        for table in self._batches([name]):
            yield from table.column(0).to_pylist()

    def _batches(self, names: Sequence[str]) -> Iterator[pa.Table]:
        table = self._table.select(names)
        for start in range(0, len(self), BATCH):
            if self._rows is None:
                yield table.slice(start, BATCH)
                continue
            wanted = self._rows[start : start + BATCH]
            first = int(wanted[0])
            yield table.slice(first, int(wanted[-1]) + 1 - first).take(pa.array(wanted - first))


def some(records: Sequence[Record], rows: Iterable[int]) -> dict[int, Record]:
    """Records by their places ``rows``, in whatever order these are named."""
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    found = records.at(wanted) if isinstance(records, Records) else [records[row] for row in wanted.tolist()]
    return dict(zip(wanted.tolist(), found, strict=True))
