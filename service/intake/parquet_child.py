"""Reads an untrusted Parquet or Arrow file (standard input) in a process of its own, whose memory is bounded.

A Parquet file of a few kilobytes can ask for any amount of memory, in its footer, its pages, its
dictionaries or its run lengths, and the reader is a large C++ library. Whatever it does here ends this
process and no other. Rows leave as an Arrow stream on standard output. Exit 0: all rows were written. Exit
REFUSED: standard error holds {code, detail}. Any other end: the file broke the reader. Runs as a script;
imports nothing of ours.
"""

import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

REFUSED = 3
MAX_FOOTER = 16 * 2**20  # bytes
BATCH_BYTES = 2 * 2**20  # aimed at, by the average row
FREE = 64 * 2**20  # expanded bytes that no ratio is asked of
BUFFER = 2**17  # bytes read ahead per column
COLUMN_BYTES = (
    4 * 2**20
)  # for each column beside the memory of all: two pages of the usual 1 MiB, and their values
MOST = 4  # times the memory of all, however many columns there are
BATCH_ROWS = 4096  # that leave at a time, at most
INDEX = re.compile(
    r"__index_level_\d+__"
)  # what pandas writes beside the columns, after a filter for example
PARQUET, ARROW_FILE = b"PAR1", b"ARROW1"
SOURCE = b"evoselect.source"  # in the metadata of what is written, as in store.records.table_rows


class Limits(TypedDict):
    """What a file may ask for."""

    max_rows: int
    max_bytes: int
    max_ratio: float
    memory: int
    """In bytes; for many columns more, see MOST."""


class Refused(Exception):
    """What the reader leaves instead of rows."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def main(limits: Limits) -> None:
    """Read, or end the process with REFUSED."""
    try:
        _read(limits)
    except Refused as found:
        sys.stderr.write(json.dumps({"code": found.code, "detail": found.detail}))
        sys.stderr.flush()
        os._exit(REFUSED)


def _read(limits: Limits) -> None:
    size, head = os.fstat(0).st_size, os.pread(0, len(ARROW_FILE), 0)
    if head.startswith(PARQUET):
        _check_ends(size)
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _bound_memory(int(limits["memory"]))
    try:
        sys.stdin.buffer.seek(0)  # whoever opened it has looked at its beginning
        source = pa.PythonFile(sys.stdin.buffer, mode="r")
        schema, batches = _parquet(source, size, limits) if head.startswith(PARQUET) else _arrow(source, head)
        _copy(schema, batches, size, limits)
    except (MemoryError, pa.ArrowMemoryError):
        _refuse(
            "parquet_too_large",
            f"Reading the file takes more than {limits['memory']} bytes of memory: "
            "write smaller row groups and pages, without dictionaries of long texts.",
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        _refuse("bad_parquet", f"The file cannot be read as Parquet or Arrow: {error!s:.200}.")


def _copy(found: Any, batches: Iterator[Any], size: int, limits: Limits) -> None:
    """Write the rows, every value in the one type that stands for its kind, and the schema they came with."""
    _refuse_twice([name for name in found.names if not INDEX.fullmatch(name)], "The file")
    fields = _fields(found)
    source = pa.schema([found.field(name) for name in fields], metadata=found.metadata)
    schema = pa.schema(list(fields.values()), metadata={SOURCE: source.serialize().to_pybytes()})
    rows = 0
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as sink:
        for batch in _bounded(batches, size, limits):
            rows += batch.num_rows
            if rows > limits["max_rows"]:
                _refuse_rows(rows, limits)
            sink.write_table(
                pa.Table.from_batches([batch]).select(list(fields)).cast(schema), max_chunksize=BATCH_ROWS
            )


def _fields(found: pa.Schema) -> dict[str, pa.Field]:
    """The columns as they are written; pandas' index, which is no part of a record, where it can be."""
    fields = {}
    for name in found.names:
        try:
            if found.names.count(name) == 1:
                fields[name] = pa.field(name, read_as(found.field(name).type, name, fine=True))
        except Refused:
            if not INDEX.fullmatch(name):
                raise
    return fields


def _arrow(source: Any, head: bytes) -> tuple[Any, Iterator[Any]]:
    """Schema and batches of Arrow's file or stream, with all that points elsewhere in them checked."""
    file = pa.ipc.open_file(source) if head == ARROW_FILE else pa.ipc.open_stream(source)
    if head == ARROW_FILE:
        every = (file.get_batch(number) for number in range(file.num_record_batches))
        return file.schema, map(_validated, every)
    return file.schema, map(_validated, file)


def _validated(batch: Any) -> Any:
    batch.validate(full=True)
    return batch


def _parquet(source: Any, size: int, limits: Limits) -> tuple[Any, Iterator[Any]]:
    """Schema and batches, once the footer is within bounds."""
    file = pq.ParquetFile(source, buffer_size=BUFFER, pre_buffer=False)
    expanded = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
    _check_footer(file, expanded, size, limits)
    _allow_columns(file.metadata.num_columns, int(limits["memory"]))
    rows = max(1, file.metadata.num_rows)
    batch_size = min(BATCH_ROWS, max(16, BATCH_BYTES * rows // max(1, expanded)))
    return file.schema_arrow, file.iter_batches(batch_size=batch_size, use_threads=False)


def _refuse_twice(names: list[str], whose: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _refuse("bad_parquet", f"{whose} has the column {twice!r:.60} twice: name each once.")


def _check_footer(file: Any, expanded: int, size: int, limits: Limits) -> None:
    if file.metadata.num_rows > limits["max_rows"]:
        _refuse_rows(file.metadata.num_rows, limits)
    if expanded > limits["max_bytes"]:
        _refuse(
            "body_too_large", f"The file expands to {expanded} bytes; the limit is {limits['max_bytes']}."
        )
    if expanded > FREE + limits["max_ratio"] * size:
        _refuse_ratio(limits)


def _bounded(batches: Iterator[Any], size: int, limits: Limits) -> Iterator[Any]:
    """The batches, as long as what they hold is in proportion: a footer may say what it likes."""
    expanded = 0
    for batch in batches:
        expanded += batch.nbytes
        if expanded > min(limits["max_bytes"], FREE + limits["max_ratio"] * size):
            _refuse_ratio(limits)
        yield batch


def read_as(kind: Any, place: str, *, fine: bool = False) -> Any:
    """The type that stands for `kind` in JSON: texts, numbers, times to the microsecond, lists, objects.

    Decimals become their digits. What has no form in JSON is refused by name. With ``fine`` times keep their
    nanoseconds.
    """
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return read_as(kind.storage_type, f"{place} ({kind})", fine=fine)
    if types.is_dictionary(kind):
        return read_as(kind.value_type, place, fine=fine)
    if types.is_large_string(kind) or types.is_string_view(kind) or types.is_decimal(kind):
        return pa.string()
    if types.is_timestamp(kind) and kind.unit == "ns" and not fine:
        return pa.timestamp("us", kind.tz)
    if types.is_time64(kind) and not fine:
        return pa.time64("us")
    if types.is_struct(kind):
        return _struct(kind, place, fine)
    if types.is_map(kind):
        _require_text_keys(kind, place)
        return pa.map_(pa.string(), read_as(kind.item_type, place, fine=fine))
    if any(test(kind) for test in (types.is_list, types.is_large_list, types.is_fixed_size_list)):
        return pa.list_(read_as(kind.value_type, place, fine=fine))
    plain = types.is_primitive(kind) or types.is_string(kind) or types.is_null(kind)
    if not plain or types.is_duration(kind) or types.is_interval(kind):
        detail = f"The column {place:.100} is of type {kind!s:.60}: send text, numbers or times."
        _refuse("bad_parquet", detail)
    return kind


def _struct(kind: Any, place: str, fine: bool) -> Any:
    names = [field.name for field in kind]
    _refuse_twice(names, f"The column {place:.100}")
    return pa.struct(
        [
            pa.field(field.name, read_as(field.type, f"{place}.{field.name}", fine=fine), field.nullable)
            for field in kind
        ]
    )


def _require_text_keys(kind: Any, place: str) -> None:
    if read_as(kind.key_type, place) != pa.string():
        keys = f"keys of type {kind.key_type!s:.60}"
        _refuse("bad_parquet", f"The column {place:.100} is a map with {keys}: send text as keys.")


def _check_ends(size: int) -> None:
    tail = os.pread(0, 8, max(0, size - 8))
    footer = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[4:] != b"PAR1":
        _refuse(
            "bad_parquet", "The file does not end like a Parquet file: it is cut or damaged, send it again."
        )
    if footer > min(size - 12, MAX_FOOTER):
        _refuse("bad_parquet", f"The footer claims {footer} bytes of a file of {size}; at most {MAX_FOOTER}.")


def _bound_memory(budget: int) -> None:
    """At most `budget` bytes of writable memory beyond what the interpreter and the library take."""
    status = Path("/proc/self/status")  # Linux; elsewhere the system does not keep the limit anyway
    if status.exists():
        taken = re.search(r"VmData:\s+(\d+) kB", status.read_text())
        own = int(taken.group(1)) * 1024 if taken else 0
        resource.setrlimit(resource.RLIMIT_DATA, (own + budget, own + MOST * budget))


def _allow_columns(columns: int, budget: int) -> None:
    """More memory for a file whose columns are all open at once; the footer is within bounds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        more = min(columns * COLUMN_BYTES, (MOST - 1) * budget)
        resource.setrlimit(resource.RLIMIT_DATA, (min(soft + more, hard), hard))


def _refuse_rows(rows: int, limits: Limits) -> NoReturn:
    _refuse("too_many_records", f"The file has {rows} rows; the limit is {limits['max_rows']}.")


def _refuse_ratio(limits: Limits) -> NoReturn:
    _refuse("expands_too_much", f"The file expands by more than {limits['max_ratio']} times.")


def _refuse(code: str, detail: str) -> NoReturn:
    raise Refused(code, detail)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
