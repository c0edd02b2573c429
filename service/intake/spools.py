"""Files without a name: gone when they are closed or when the process dies, so that none is left over."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from store.records.table_rows import OPTIONS

GROUP_ROWS = 8192
GROUP_BYTES = 16 * 2**20  # in memory; a row group ends at whichever bound comes first


def spool() -> IO[bytes]:
    """An empty file to write and read."""
    return tempfile.TemporaryFile(prefix="evoselect-")


class TableSpool:
    """Tables of one schema as a Parquet file; encoding and compression run in a thread of their own."""

    def __init__(self, schema: pa.Schema, file: IO[bytes] | None = None) -> None:
        self.file = spool() if file is None else file
        self.rows = 0
        self._parquet = pq.ParquetWriter(
            self.file, schema, compression="lz4", use_dictionary=False, write_statistics=False
        )
        self._waiting: list[pa.Table] = []
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def add(self, table: pa.Table) -> None:
        """Append the rows; raises what the writing of earlier ones raised."""
        if not table.num_rows:
            return
        self.rows += table.num_rows
        self._waiting.append(table)
        rows = sum(part.num_rows for part in self._waiting)
        if rows >= GROUP_ROWS or sum(part.nbytes for part in self._waiting) >= GROUP_BYTES:
            self._flush()

    def finish(self) -> None:
        """Write what waits and the footer; the file is complete."""
        self._flush()
        self._wait()
        self._parquet.close()

    def tables(self) -> Iterator[pa.Table]:
        """What was written, a row group at a time; after finish."""
        parquet = pq.ParquetFile(self.file)
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group)

    def release(self) -> IO[bytes]:
        """The finished file, which the caller closes."""
        self._thread.shutdown(wait=True)
        return self.file

    def close(self) -> None:
        """Drop the file."""
        self._thread.shutdown(wait=True)
        self._parquet.close()
        self.file.close()

    def _flush(self) -> None:
        self._wait()
        if self._waiting:
            self._writing = self._thread.submit(self._write, self._waiting)
            self._waiting = []

    def _write(self, tables: list[pa.Table]) -> None:
        table = pa.concat_tables(tables).combine_chunks()
        self._parquet.write_table(table, row_group_size=table.num_rows)

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None


class RowSpool:
    """Rows of a foreign table as they came, as an Arrow stream; see store.records.table_rows."""

    def __init__(self, schema: pa.Schema) -> None:
        self.file = spool()
        self.schema = schema
        self._stream = pa.ipc.new_stream(self.file, schema, options=OPTIONS)

    def add(self, table: pa.Table) -> None:
        """Append the rows."""
        self._stream.write_table(table)

    def finish(self) -> None:
        """The file is complete."""
        self._stream.close()

    def close(self) -> None:
        """Drop the file."""
        self._stream.close()
        self.file.close()
