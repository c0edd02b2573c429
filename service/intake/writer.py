"""Records into Parquet with constant memory: bytes or tables in, checked records out, exact counts.

    with BatchWriter(settings, on_invalid, known) as writer:
        writer.feed(chunk) ...  writer.finish()  ->  writer.stored, writer.repeated, writer.counts(), ...

Nothing of it is visible until the caller commits it (service.intake.batches); leaving the block deletes it.
A line is read by store.records.columns where that suffices, and else by read_row. The next block is read
in a thread of its own, outside of the interpreter lock, while the rows of the one before it are hashed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import orjson
import pyarrow as pa

from service.http.problems import MAX_FAULTS, Problem
from service.intake.inline import refused
from service.intake.spools import TableSpool, spool
from store.data.content_runs import Known, Run
from store.data.pools import BATCH_SCHEMA, ORIGINAL, REPEATED_SCHEMA, Counts
from store.data.seen_contents import Seen
from store.records.columns import (
    PLAIN,
    Mask,
    Places,
    content_keys,
    finished,
    line_ends,
    line_texts,
    plain_rows,
    read_block,
)
from store.records.faults import InvalidRecord
from store.records.layout import AUTO, Layout, Recognised, read_row
from store.records.record import Record, from_table, to_table
from store.records.shapes import Shape, texts_of
from store.settings import Settings

# What Arrow holds and Python cannot: times out of range, zones that nobody knows, text that is not UTF-8.
BOM = b"\xef\xbb\xbf"  # with which some programs begin a text
UNREADABLE = (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole lines, and what is becoming of them: the plain rows and which they are, or None."""

    data: bytes
    ends: Places  # of its newlines
    found: Future[tuple[pa.Table, Mask] | None] | None
    shape: Shape | None
    """Of its lines, where they are read by columns and are no records."""

    def line(self, row: int) -> bytes:
        return self.data[self.ends[row - 1] + 1 if row else 0 : self.ends[row]]


class BatchWriter:
    """Takes a batch piece by piece; raises a Problem when the batch is refused.

    `known` is what the batch's pool holds already; without it nothing counts as a repetition.
    """

    def __init__(
        self, settings: Settings, on_invalid: str, known: Known | None, layout: Layout | None = None
    ) -> None:
        self._settings = settings
        self._layout = layout or Layout()
        self._plain = not self._layout.columns and self._layout.format == AUTO
        self.recognised = Recognised()
        self._skip = on_invalid == "skip"
        self.stored = TableSpool(BATCH_SCHEMA)
        self.repeated = TableSpool(REPEATED_SCHEMA)
        self.error_lines: IO[bytes] = spool()
        self.faults: list[dict[str, Any]] = []
        self.known = known
        self._seen = Seen(known.runs if known else [])
        self._reader = ThreadPoolExecutor(1)
        self._ahead: _Block | None = None
        self._tail = b""
        self._line = 0
        self._received = 0
        self._rejected = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.shutdown()
        self._seen.close()
        self.stored.close()
        self.repeated.close()
        self.error_lines.close()

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the lines; a line may be cut anywhere."""
        if not self._line and not self._tail and self._ahead is None:
            chunk = chunk.removeprefix(BOM)
        whole = chunk.rfind(b"\n") + 1
        if whole:
            self._take_block(self._tail + chunk[:whole])
            self._tail = chunk[whole:]
        else:
            self._tail += chunk
        if len(self._tail) > self._settings.max_line_bytes:
            self._settle()
            raise self._line_too_long(self._line + 1)

    def skip_line(self) -> None:
        """One line of the input is no row: the names above a table."""
        self._line += 1

    def add_values(self, values: list[Any]) -> None:
        """Records that are decoded already; each counts as one line."""
        with self._one_by_one() as take:
            for value in values:
                self._line += 1
                take(self._checked(value), value)

    def add_records(self, records: list[Record], rows: list[Any]) -> None:
        """Records that were checked before, and the decoded values that they were read from."""
        with self._one_by_one() as take:
            for record, row in zip(records, rows, strict=True):
                take(record, row)

    def add_table(self, table: pa.Table) -> None:
        """Rows of a foreign table whose columns are fields of a record; each counts as one line."""
        if not (self._plain and _is_valid(table)):  # UTF-8 that is none: found row by row
            self.add_values(_as_values(table))
            return
        plain = [name for name in table.column_names if _is_plain(table.schema.field(name))]
        others = [name for name in table.column_names if name not in plain]
        if any(table[name].null_count < table.num_rows for name in others):
            self.add_values(_as_values(table))
            return
        nothing = {field.name: pa.nulls(table.num_rows, field.type) for field in PLAIN}
        rows = pa.table(nothing | {name: table[name] for name in plain})
        self._merge(*plain_rows(rows), lambda row: _as_values(rows.slice(row, 1))[0], None)

    def finish(self) -> None:
        """The batch is complete: write the rest, or refuse it when lines are bad or there are none."""
        if self._tail:
            self._take_block(self._tail + b"\n")
        self._settle()
        if not self._received:
            raise Problem(422, "no_records", "The batch has 0 records; send at least 1.")
        if self._rejected and not (self._skip and self._rejected < self._received):
            raise refused(self.faults, self._rejected, self._received)
        self.stored.finish()
        self.repeated.finish()

    def counts(self) -> Counts:
        """What became of the records."""
        return Counts(self._received, self._received - self._rejected, self._rejected, self.repeated.rows)

    def keys(self) -> Iterator[Run]:
        """The keys of all stored records."""
        return self._seen.own()

    def drop_known(self, runs: list[Run]) -> None:
        """Leave out what others stored meanwhile; the batch is finished already."""
        if not any(run.holds(own.low, own.high).any() for own in self._seen.own() for run in runs):
            return
        self._seen.close()
        before, self.stored = self.stored, TableSpool(BATCH_SCHEMA)
        earlier, self.repeated = self.repeated, TableSpool(REPEATED_SCHEMA)
        self._seen = Seen(runs)
        for table in earlier.tables():
            self.repeated.add(table)
        for table in before.tables():
            self._store(table)
        before.close()
        earlier.close()
        self.stored.finish()
        self.repeated.finish()

    def _take_block(self, block: bytes) -> None:
        """Whole lines, the last one's newline included."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        ends = line_ends(block)
        lengths = np.diff(ends, prepend=-1) - 1
        if lengths.max() > self._settings.max_line_bytes:
            self._settle()
            raise self._line_too_long(self._line + 1 + int(lengths.argmax()))
        if not lengths.any():  # a small file can expand to millions of empty lines
            self._settle()
            self._line += len(ends)
            return
        ahead = self._read_ahead(block, ends)
        self._settle()
        self._ahead = ahead

    def _read_ahead(self, block: bytes, ends: Places) -> _Block:
        """Read by columns what may be plain records alone, or texts of a shape; the first line tells."""
        shape = None
        if not self._layout.columns:
            only = None if self._layout.format == AUTO else self._layout.format
            shape = texts_of(_decoded(block[: ends[0]]), only)
        found = None
        if self._plain or shape is not None:
            found = self._reader.submit(read_block, block, ends, shape.texts if shape else None)
        return _Block(block, ends, found, shape)

    def _settle(self) -> None:
        """Take the rows of the block that is being read."""
        block, self._ahead = self._ahead, None
        if block is None:
            return
        found = block.found.result() if block.found else None
        if found is None:
            self.take_lines(block.data.split(b"\n")[:-1])
            return
        texts = line_texts(block.data, block.ends)
        self._merge(*found, lambda row: _decoded(block.line(row)), texts, block.shape)

    def take_lines(self, lines: list[bytes]) -> None:
        """Lines one by one."""
        with self._one_by_one() as take:
            for line in lines:
                self._line += 1
                if line and not line.isspace():
                    take(self._checked(_decoded(line)), line)

    def _merge(
        self,
        plain: pa.Table,
        good: Mask,
        value_of: Callable[[int], object],
        texts: pa.Array | None,
        shape: Shape | None = None,
    ) -> None:
        """Keep the plain rows, and those of the others that are records after all, in their order.

        `texts` are the lines of all rows, where there are lines; `shape` is that of the plain rows, None for
        records.
        """
        plain = finished(plain)
        self._recognise(plain, shape, value_of, good)
        rows, line = len(good), self._line
        positions = self._received + np.arange(rows)
        records: list[Record] = []
        originals: list[str] = []
        kept = good.copy()
        for row in np.flatnonzero(~good).tolist():
            self._line = line + row + 1
            value = value_of(row)
            record = self._checked(value)
            if record is not None:
                records.append(record)
                originals.append(_original(value) if texts is None else texts[row].as_py())
                kept[row] = True
        self._line = line + rows
        self._receive(rows)
        own = pa.nulls(len(plain), pa.string()) if texts is None else texts.filter(pa.array(good))
        plain = plain.append_column(ORIGINAL, own)
        if records:
            order = np.argsort(np.concatenate([positions[good], positions[kept & ~good]]))
            others = to_table(records).append_column(ORIGINAL, pa.array(originals, pa.string()))
            plain = pa.concat_tables([plain, others]).take(order)
        self._keep(plain, positions[kept])

    def _recognise(
        self, plain: pa.Table, shape: Shape | None, value_of: Callable[[int], object], good: Mask
    ) -> None:
        """Count the plain rows, and show the first where they are no records."""
        if shape is None:
            chats = plain.num_rows - plain["messages"].null_count
            self.recognised.shapes += Counter(messages=chats, prompt_completion=plain.num_rows - chats)
        elif plain.num_rows:
            self.recognised.shapes[shape.name] += plain.num_rows
            self.recognised.show(value_of(int(good.argmax())), from_table(plain.slice(0, 1))[0])

    @contextmanager
    def _one_by_one(self) -> Iterator[Callable[[Record | None, object], None]]:
        """Takes what became of one row after another, a record or None where it was refused, and the row."""
        records: list[Record] = []
        positions: list[int] = []
        originals: list[str] = []

        def take(record: Record | None, row: object) -> None:
            if record is not None:
                records.append(record)
                positions.append(self._received)
                originals.append(_original(row))
            self._receive(1)

        yield take
        table = to_table(records).append_column(ORIGINAL, pa.array(originals, pa.string()))
        self._keep(table, np.array(positions, dtype=np.int64))

    def _keep(self, table: pa.Table, positions: Places) -> None:
        """Store rows whose content is new; of the others remember where they were and what they repeat."""
        if self._rejected and not self._skip:
            return  # the batch is refused: only the counts still matter
        table = table.append_column(BATCH_SCHEMA.field("position"), pa.array(positions, pa.int64()))
        self._store(table)

    def _store(self, table: pa.Table) -> None:
        if self.known is None:  # not for a pool: repetitions stay
            self.stored.add(table)
            return
        fresh = self._seen.add(content_keys(table))
        if fresh.all():
            self.stored.add(table)
            return
        self.stored.add(table.filter(pa.array(fresh)))
        self.repeated.add(table.filter(pa.array(~fresh)).select(REPEATED_SCHEMA.names))

    def _checked(self, value: object) -> Record | None:
        try:
            if isinstance(value, InvalidRecord):
                raise value
            if isinstance(value, orjson.JSONDecodeError):
                raise InvalidRecord("not_json", f"The line is not UTF-8 JSON: {value}.")
            record, shape = read_row(value, self._layout)
        except InvalidRecord as fault:
            found = {"line": self._line, "code": fault.code, "detail": fault.detail}
            self._rejected += 1
            if len(self.faults) < MAX_FAULTS:
                self.faults.append(found)
            if self._skip:
                self.error_lines.write(orjson.dumps(found) + b"\n")
            return None
        self.recognised.add(shape, record, value)
        return record

    def _receive(self, rows: int) -> None:
        self._received += rows
        if self._received > self._settings.max_batch_records:
            limit = self._settings.max_batch_records
            raise Problem(413, "too_many_records", f"A batch holds at most {limit} records; send several.")

    def _line_too_long(self, line: int) -> Problem:
        limit = self._settings.max_line_bytes
        return Problem(413, "line_too_long", f"Line {line} is longer than {limit} bytes; shorten the record.")


def _decoded(line: bytes) -> object:
    """The line's value, or the error that says why it has none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return error


def _original(row: object) -> str:
    """The row's JSON: the line itself, or what a decoded value is as JSON."""
    return row.decode() if isinstance(row, bytes) else orjson.dumps(row).decode()


def _is_plain(field: pa.Field) -> bool:
    return field.name in PLAIN.names and bool(field.type == PLAIN.field(field.name).type)


def _is_valid(table: pa.Table) -> bool:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _as_values(table: pa.Table) -> list[dict[str, Any] | InvalidRecord]:
    """Rows as a JSON decoder would give them, or why a row cannot be read.

    A column that is null in a row, or no number (as pandas marks what is missing), is a field left out.
    """
    try:
        rows = table.to_pylist(maps_as_pydicts="lossy")
    except UNREADABLE:
        return [_one_row(table.slice(row, 1)) for row in range(table.num_rows)]
    return [_given(row) for row in rows]


def _one_row(row: pa.Table) -> dict[str, Any] | InvalidRecord:
    found = {}
    for name in row.column_names:
        try:
            found[name] = row[name][0].as_py(maps_as_pydicts="lossy")
        except UNREADABLE as error:
            code = f"bad_{name}" if name in ("id", "group", "metadata") else "bad_text"
            return InvalidRecord(code, f"{name} cannot be read: {error!s:.200}.")
    return _given(found)


def _given(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and value == value}
