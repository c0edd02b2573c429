"""Records into Parquet with constant memory: bytes or tables in, checked records out, exact counts.

    with BatchWriter(settings, on_invalid, known) as writer:
        writer.feed(chunk) ...  writer.finish()  ->  writer.kept, writer.counts(), writer.recognised

Nothing of it is visible until the caller commits it (service.intake.batches); leaving the block deletes it.
A line is read by store.records.columns where that suffices, and else by read_row. The next block is read
ahead (service.intake.ahead) while the rows of the one before it are hashed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import orjson
import pyarrow as pa

from service.http.problems import MAX_FAULTS, Problem
from service.intake.ahead import Ahead, Block, decoded
from service.intake.deduplication import Deduplicator
from service.intake.foreign import UNREADABLE, as_values, is_valid, readable
from service.intake.inline import refused
from service.intake.prompts import Prompt, Prompts
from service.intake.spools import RowSpool, spool
from service.intake.unreadable import why_no_json
from store.artifacts import Artifacts
from store.data.content_runs import Known
from store.data.pools import ORIGINAL, Counts
from store.records.columns import PLAIN, Places, finished, line_ends, line_texts, plain_rows
from store.records.faults import InvalidRecord, RowFault
from store.records.layout import AUTO, Layout, Recognised, read_row
from store.records.record import Record, from_table, to_table
from store.records.wide import Found, read_wide
from store.settings import Settings

RECORDS = ("prompt_completion", "messages")  # shapes of which no example is shown
BOM = b"\xef\xbb\xbf"  # with which some programs begin a text


class BatchWriter:
    """Takes a batch piece by piece; raises a Problem when the batch is refused.

    `known` is what the batch's pool holds already; without it nothing counts as a repetition. `prompts` are
    those that the layout's template makes.
    """

    def __init__(
        self,
        settings: Settings,
        on_invalid: str,
        known: Known | None,
        layout: Layout | None = None,
        *,
        prompts: Prompts | None = None,
    ) -> None:
        self._settings = settings
        self._layout = layout or Layout()
        self._prompts = prompts or Prompts(self._layout.template)
        self._columns: Sequence[str] = ()
        """Of a table."""
        self.recognised = Recognised()
        self._skip = on_invalid == "skip"
        self.kept = Deduplicator(known, Artifacts(settings.artifacts_url))
        self.rows: RowSpool | None = None
        """The rows of a table as they came, where the batch is one."""
        self.error_lines: IO[bytes] = spool()
        self.faults: list[RowFault] = []
        """The first of them."""
        self.reasons: Counter[str] = Counter()
        """Refused records by code."""
        self._reader = Ahead(self._layout)
        self._ahead: Block | None = None
        self._tail = b""
        self._line = 0
        self._received = 0

    @property
    def _rejected(self) -> int:
        return self.reasons.total()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prompts.__exit__()
        self._reader.close()
        self.kept.close()
        if self.rows is not None:
            self.rows.close()
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

    def take_names(self, names: Sequence[str]) -> None:
        """The first line of a table of texts, which is no row."""
        self._columns = names
        self._line += 1

    def add_values(self, values: list[Any]) -> None:
        """Records that are decoded already; each counts as one line."""
        with self._one_by_one() as take:
            for value, prompt in self._prompts.beside(values, self._columns):
                self._line += 1
                take(self._checked(value, prompt), value)

    def add_records(self, records: Sequence[Record], originals: Sequence[str | None]) -> None:
        """Records that were checked before, and the JSON of the rows that they were read from."""
        with self._one_by_one() as take:
            for record, original in zip(records, originals, strict=True):
                take(record, original)

    def open_table(self, schema: pa.Schema) -> None:
        """All rows will come from a table with this schema: a pool keeps them as they are."""
        if self.kept.known is not None:
            self.rows = RowSpool(schema)

    def add_table(self, table: pa.Table) -> None:
        """Rows of a foreign table; each counts as one line."""
        if self.rows is not None:
            self.rows.add(table)
        table = readable(table)
        self._columns = table.column_names
        found = None if self._layout.each_alone or not is_valid(table) else self._by_columns(table)
        if found is None:  # by columns that were named, or with UTF-8 that is none: found row by row
            self.add_values(as_values(table))
        else:
            self._merge(found, lambda row: as_values(table.slice(row, 1))[0], found.originals)

    def _by_columns(self, table: pa.Table) -> Found | None:
        """The rows that are plain records, or else rows of a shape with further columns."""
        plain = [name for name in table.column_names if _is_plain(table.schema.field(name))]
        others = [name for name in table.column_names if name not in plain]
        auto = self._layout.format == AUTO
        if auto and all(table[name].null_count == table.num_rows for name in others):
            nothing = {field.name: pa.nulls(table.num_rows, field.type) for field in PLAIN}
            return Found(*plain_rows(pa.table(nothing | {name: table[name] for name in plain})))
        try:
            return read_wide(table, None if auto else self._layout.format)
        except UNREADABLE:
            return None

    def finish(self) -> None:
        """The batch is complete: write the rest, or refuse it when lines are bad or there are none."""
        if self._tail:
            self._take_block(self._tail + b"\n")
        self._settle()
        if not self._received:
            raise Problem(422, "no_records", "The batch has 0 records; send at least 1.")
        if self._rejected and not (self._skip and self._rejected < self._received):
            raise refused(self.faults, self.reasons, self._received)
        self.kept.finish()
        if self.rows is not None:
            self.rows.finish()

    def counts(self) -> Counts:
        """What became of the records."""
        accepted, repeated = self._received - self._rejected, self.kept.repeated.rows
        return Counts(self._received, accepted, self._rejected, repeated)

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
        ahead = self._reader.read(block, ends)
        self._settle()
        self._ahead = ahead

    def _settle(self) -> None:
        """Take the rows of the block that is being read."""
        block, self._ahead = self._ahead, None
        if block is None:
            return
        found = block.found()
        if found is None:
            self.take_lines(block.data.split(b"\n")[:-1])
            return
        texts = None if found.say_all else line_texts(block.data, block.ends)
        self._merge(found, lambda row: decoded(block.line(row)), texts)

    def take_lines(self, lines: list[bytes]) -> None:
        """Lines one by one."""
        values = (None if _is_blank(line) else decoded(line) for line in lines)
        with self._one_by_one() as take:
            for line, (value, prompt) in zip(lines, self._prompts.beside(values), strict=True):
                self._line += 1
                if not _is_blank(line):
                    take(self._checked(value, prompt), line)

    def _merge(self, found: Found, value_of: Callable[[int], object], texts: pa.Array | None) -> None:
        """Keep what was read by columns, and those of the other rows that are records after all, in order.

        `texts` are all rows as they came, None where the records say all of them.
        """
        good = found.good
        plain = finished(found.rows)
        self._recognise(plain, found)
        show = self._example(plain, found, value_of)
        rows, line = len(good), self._line
        positions = self._received + np.arange(rows)
        records: list[Record] = []
        originals: list[str | None] = []
        kept = good.copy()
        for row in np.flatnonzero(~good).tolist():
            self._line = line + row + 1
            show(row)
            value = value_of(row)
            record = self._checked(value)
            if record is not None:
                records.append(record)
                originals.append(_original(value) if texts is None else texts[row].as_py())
                kept[row] = True
        show(rows)
        self._line = line + rows
        self._receive(rows)
        own = pa.nulls(len(plain), pa.string()) if texts is None else texts.filter(pa.array(good))
        plain = plain.append_column(ORIGINAL, own)
        if records:
            order = np.argsort(np.concatenate([positions[good], positions[kept & ~good]]))
            others = to_table(records).append_column(ORIGINAL, pa.array(originals, pa.string()))
            plain = pa.concat_tables([plain, others]).take(order)
        self._add(plain, positions[kept])

    def _recognise(self, plain: pa.Table, found: Found) -> None:
        """Count the rows that were read by columns."""
        if not plain.num_rows:
            return
        self.recognised.name_extra(found.extra)
        if found.shape is None or found.shape in RECORDS:
            chats = plain.num_rows - plain["messages"].null_count
            self.recognised.shapes += Counter(messages=chats, prompt_completion=plain.num_rows - chats)
        else:
            self.recognised.shapes[found.shape] += plain.num_rows

    def _example(
        self, plain: pa.Table, found: Found, value_of: Callable[[int], object]
    ) -> Callable[[int], None]:
        """What shows the first of the rows that were read by columns, once those before it had their turn."""
        changed = bool(plain.num_rows) and found.shape not in (None, *RECORDS)
        first = int(found.good.argmax()) if changed else len(found.good)

        def show(row: int) -> None:
            """All rows before this one had theirs."""
            if first < row and self.recognised.example is None:
                self.recognised.show(value_of(first), from_table(plain.slice(0, 1))[0])

        return show

    @contextmanager
    def _one_by_one(self) -> Iterator[Callable[[Record | None, object], None]]:
        """Takes what became of one row after another, a record or None where it was refused, and the row."""
        records: list[Record] = []
        positions: list[int] = []
        originals: list[str | None] = []

        def take(record: Record | None, row: object) -> None:
            if record is not None:
                records.append(record)
                positions.append(self._received)
                originals.append(_original(row))
            self._receive(1)

        yield take
        table = to_table(records).append_column(ORIGINAL, pa.array(originals, pa.string()))
        self._add(table, np.array(positions, dtype=np.int64))

    def _add(self, table: pa.Table, positions: Places) -> None:
        """Keep what was taken of the batch, unless it is refused already."""
        if self._rejected and not self._skip:
            return  # the batch is refused: only the counts still matter
        self.kept.add(table, positions)

    def _checked(self, value: object, prompt: Prompt = None) -> Record | None:
        try:
            if isinstance(value, InvalidRecord):
                raise value
            if isinstance(value, orjson.JSONDecodeError):
                raise InvalidRecord("not_json", why_no_json(value))
            record, shape = read_row(value, self._layout, prompt)
        except InvalidRecord as fault:
            found = RowFault(line=self._line, code=fault.code, detail=fault.detail)
            self.reasons[fault.code] += 1
            if len(self.faults) < MAX_FAULTS:
                self.faults.append(found)
            if self._skip:
                self.error_lines.write(orjson.dumps(found) + b"\n")
            return None
        self.recognised.add(shape, record, value, filled=prompt is not None)
        return record

    def _receive(self, rows: int) -> None:
        self._received += rows
        if self._received > self._settings.max_batch_records:
            limit = self._settings.max_batch_records
            raise Problem(413, "too_many_records", f"A batch holds at most {limit} records; send several.")

    def _line_too_long(self, line: int) -> Problem:
        limit = self._settings.max_line_bytes
        return Problem(413, "line_too_long", f"Line {line} is longer than {limit} bytes; shorten the record.")


def _is_blank(line: bytes) -> bool:
    return not line or line.isspace()


def _original(row: object) -> str | None:
    """The row's JSON: the line itself, or what a decoded object is as JSON."""
    if row is None or isinstance(row, str):
        return row
    return row.decode() if isinstance(row, bytes) else orjson.dumps(row).decode()


def _is_plain(field: pa.Field) -> bool:
    return field.name in PLAIN.names and bool(field.type == PLAIN.field(field.name).type)
