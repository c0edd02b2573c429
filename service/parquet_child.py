"""Reads an untrusted Parquet file (standard input) in a process of its own, whose memory is bounded.

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
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

REFUSED = 3
MAX_FOOTER = 16 * 2**20  # bytes
BATCH_BYTES = 2 * 2**20  # aimed at, by the average row
FREE = 64 * 2**20  # expanded bytes that no ratio is asked of
BUFFER = 2**20  # bytes read ahead per column


def main(limits: dict[str, Any]) -> None:
    """limits: fields, max_rows, max_bytes, max_ratio, memory."""
    size = _checked_size()
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _bound_memory(int(limits["memory"]))
    try:
        _copy(pa.PythonFile(sys.stdin.buffer, mode="r"), size, limits)
    except (MemoryError, pa.ArrowMemoryError):
        _refuse(
            "parquet_too_large",
            f"Reading the file takes more than {limits['memory']} bytes of memory: "
            "write smaller row groups and pages, without dictionaries of long texts.",
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        _refuse("bad_parquet", f"The file cannot be read as Parquet: {error!s:.200}.")


def _copy(source: Any, size: int, limits: dict[str, Any]) -> None:
    file = pq.ParquetFile(source, buffer_size=BUFFER, pre_buffer=False)
    expanded = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
    _check_footer(file, expanded, size, limits)
    rows = max(1, file.metadata.num_rows)
    batch_size = min(4096, max(16, BATCH_BYTES * rows // max(1, expanded)))
    schema = _plain(file.schema_arrow)
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as sink:
        for batch in _bounded(file.iter_batches(batch_size=batch_size, use_threads=False), size, limits):
            sink.write_table(pa.table(batch).cast(schema))


def _check_footer(file: Any, expanded: int, size: int, limits: dict[str, Any]) -> None:
    unknown = sorted(set(file.schema_arrow.names) - set(limits["fields"]))
    if unknown:
        known = ", ".join(sorted(limits["fields"]))
        _refuse("unknown_field", f"The file has the column {unknown[0]!r:.60}: use {known}.")
    if file.metadata.num_rows > limits["max_rows"]:
        _refuse(
            "too_many_records",
            f"The file has {file.metadata.num_rows} rows; the limit is {limits['max_rows']}.",
        )
    if expanded > limits["max_bytes"]:
        _refuse(
            "body_too_large", f"The file expands to {expanded} bytes; the limit is {limits['max_bytes']}."
        )
    if expanded > FREE + limits["max_ratio"] * size:
        _refuse_ratio(limits)


def _bounded(batches: Iterator[Any], size: int, limits: dict[str, Any]) -> Iterator[Any]:
    """The batches, as long as what they hold is in proportion: a footer may say what it likes."""
    expanded = 0
    for batch in batches:
        expanded += batch.nbytes
        if expanded > min(limits["max_bytes"], FREE + limits["max_ratio"] * size):
            _refuse_ratio(limits)
        yield batch


def _plain(schema: Any) -> Any:
    """Texts in every encoding become plain texts, so that the reader of the stream knows one kind."""
    return pa.schema([pa.field(field.name, _plain_type(field.type)) for field in schema])


def _plain_type(kind: Any) -> Any:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def _checked_size() -> int:
    size = os.fstat(0).st_size
    tail = os.pread(0, 8, max(0, size - 8))
    footer = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[4:] != b"PAR1":
        _refuse(
            "bad_parquet", "The file does not end like a Parquet file: it is cut or damaged, send it again."
        )
    if footer > min(size - 12, MAX_FOOTER):
        _refuse("bad_parquet", f"The footer claims {footer} bytes of a file of {size}; at most {MAX_FOOTER}.")
    return size


def _bound_memory(budget: int) -> None:
    """At most `budget` bytes of writable memory beyond what the interpreter and the library take."""
    status = Path("/proc/self/status")  # Linux; elsewhere the system does not keep the limit anyway
    if status.exists():
        taken = re.search(r"VmData:\s+(\d+) kB", status.read_text())
        limit = (int(taken.group(1)) * 1024 if taken else 0) + budget
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _refuse_ratio(limits: dict[str, Any]) -> NoReturn:
    _refuse("expands_too_much", f"The file expands by more than {limits['max_ratio']} times.")


def _refuse(code: str, detail: str) -> NoReturn:
    sys.stderr.write(json.dumps({"code": code, "detail": detail}))
    sys.stderr.flush()
    os._exit(REFUSED)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
