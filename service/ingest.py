"""NDJSON into Parquet with constant memory: bytes in, checked records out to a temporary file, exact counts.

    with BatchWriter(settings, on_invalid) as writer:
        writer.feed(chunk) ...  writer.finish()  ->  writer.path, writer.counts(), writer.faults

Nothing of it is visible until the caller commits the file; leaving the block deletes it.
"""

import tempfile
from array import array
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
import pyarrow.parquet as pq

from service.inline import refused
from service.problems import MAX_FAULTS, Problem
from store.pools import Counts
from store.records import SCHEMA, InvalidRecord, Record, parse_record, to_table
from store.settings import Settings

ROWS_PER_GROUP = 8192
HASH_DIGITS = 16  # of the content hash, 64 bits: enough to count duplicates among 10 million records


class BatchWriter:
    """Takes the body piece by piece; raises a Problem when the batch is refused."""

    def __init__(self, settings: Settings, on_invalid: str) -> None:
        self._settings = settings
        self._skip = on_invalid == "skip"
        self._folder = tempfile.TemporaryDirectory(prefix="evoselect-batch-")
        self.path = Path(self._folder.name) / "batch.parquet"
        self._parquet = pq.ParquetWriter(self.path, SCHEMA, compression="zstd")
        self._tail = b""
        self._rows: list[Record] = []
        self._hashes = array("Q")
        self.faults: list[dict[str, Any]] = []
        self._line = 0
        self._received = 0
        self._rejected = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parquet.close()
        self._folder.cleanup()

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body; a line may be cut anywhere."""
        lines = (self._tail + chunk).split(b"\n")
        self._tail = lines.pop()
        for line in lines:
            self._take_line(line)
        if len(self._tail) > self._settings.max_line_bytes:
            raise self._line_too_long(self._line + 1)

    def add(self, values: list[Any]) -> None:
        """Records that are decoded already; each counts as one line."""
        for value in values:
            self._line += 1
            self._take_value(value)

    def finish(self) -> None:
        """The body is complete: write the rest, or refuse the batch when lines are bad or there are none."""
        if self._tail:
            self._take_line(self._tail)
        if not self._received:
            raise Problem(422, "no_records", "The batch has 0 records; send at least 1.")
        if self._rejected and not (self._skip and len(self._hashes)):
            raise refused(self.faults, self._rejected, self._received)
        self._flush()
        self._parquet.close()

    def counts(self) -> Counts:
        """received = accepted + rejected; duplicates are accepted rows that repeat an earlier one."""
        accepted = len(self._hashes)
        distinct = len(np.unique(np.frombuffer(self._hashes, dtype=np.uint64))) if accepted else 0
        return Counts(self._received, accepted, self._rejected, accepted - distinct)

    def _take_line(self, line: bytes) -> None:
        self._line += 1
        if len(line) > self._settings.max_line_bytes:
            raise self._line_too_long(self._line)
        if not line or line.isspace():
            return
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            self._reject("not_json", f"The line is not UTF-8 JSON: {error}.")
            return
        self._take_value(value)

    def _take_value(self, value: object) -> None:
        try:
            record = parse_record(value)
        except InvalidRecord as fault:
            self._reject(fault.code, fault.detail)
            return
        self._count_received()
        self._hashes.append(int(record.content_hash[:HASH_DIGITS], 16))
        self._rows.append(record)
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _reject(self, code: str, detail: str) -> None:
        self._count_received()
        self._rejected += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append({"line": self._line, "code": code, "detail": detail})

    def _count_received(self) -> None:
        self._received += 1
        if self._received > self._settings.max_batch_records:
            limit = self._settings.max_batch_records
            raise Problem(413, "too_many_records", f"A batch holds at most {limit} records; send several.")

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_table(to_table(self._rows))
            self._rows = []

    def _line_too_long(self, line: int) -> Problem:
        limit = self._settings.max_line_bytes
        return Problem(413, "line_too_long", f"Line {line} is longer than {limit} bytes; shorten the record.")
