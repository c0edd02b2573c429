"""Records of a file into a BatchWriter: lines, Parquet, Arrow, packed or not, as its first bytes tell."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import IO

import pyarrow as pa

from service.http.decoding import MAX_RATIO, Decoder
from service.http.problems import Problem
from service.intake import texts
from service.intake.inline import Rows
from service.intake.prompts import Prompts
from service.intake.spools import spool
from service.intake.unreadable import refuse_others
from service.intake.writer import BatchWriter
from service.services import State
from store.data import files
from store.records.layout import Layout
from store.records.record import from_table
from store.settings import Settings

READ_BYTES = 2**20
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
MAGIC |= {bytes((first,)) + b"\x2a\x4d\x18": "zstd" for first in range(0x50, 0x60)}  # a skippable frame first
TABLES = (b"PAR1", b"ARRO", b"\xff\xff\xff\xff")  # Parquet; Arrow's file and stream
HEAD_BYTES = 4
CHILD = Path(__file__).with_name("parquet_child.py")
REFUSED = 3  # exit status of the child
REFUSALS = {"too_many_records": 413, "body_too_large": 413, "expands_too_much": 413, "parquet_too_large": 413}


def read_into(
    writer: BatchWriter,
    file: IO[bytes],
    settings: Settings,
    child: AbstractContextManager[None] | None = None,
) -> None:
    """Feed all records of an open local file, from its start; the writer is not finished. Raises Problem.

    `child` is held while a process of its own reads Parquet or Arrow.
    """
    file.seek(0)
    head = os.pread(file.fileno(), HEAD_BYTES, 0)  # a read of its own would buffer what the child is to read
    if head in TABLES:
        with child or nullcontext():
            _read_table(writer, file, settings)
        return
    encoding = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    pieces = _bounded(_pieces(file) if encoding is None else _decoded(file, encoding), settings)
    first = next(pieces, b"")
    if first[:HEAD_BYTES] in TABLES:  # packed once more, as a whole
        with spool() as table:
            table.writelines(chain([first], pieces))
            table.seek(0)
            with child or nullcontext():
                _read_table(writer, table, settings)
        return
    refuse_others(first)
    every = chain([first], pieces)
    if texts.is_list(first):
        texts.feed_list(writer, every, settings.max_line_bytes)
    elif delimiter := texts.delimiter_of(first):
        texts.feed_table(writer, every, delimiter, settings.max_line_bytes)
    else:
        for piece in every:
            writer.feed(piece)


@contextmanager
def stored_file(state: State, tenant_id: str, file_id: str) -> Iterator[IO[bytes]]:
    """A file of the tenant as an open local one; raises NotFound."""
    with state.database.transaction() as session:
        row = files.get(session, tenant_id, file_id)
    with state.artifacts.open(row.artifact) as stored:
        if state.artifacts.local:
            yield stored
            return
        with spool() as local:
            shutil.copyfileobj(stored, local, READ_BYTES)
            local.seek(0)
            yield local


def read_records(state: State, tenant_id: str, file_id: str, *, limit: int, layout: Layout) -> Rows:
    """All records of a file, in order and with their repetitions; raises Problem where one is bad."""
    with (
        stored_file(state, tenant_id, file_id) as file,
        BatchWriter(
            state.settings, "reject_batch", None, layout, prompts=prompts_of(state, tenant_id, layout)
        ) as writer,
    ):
        read_into(writer, file, state.settings, state.shares.parquet.of(tenant_id))
        writer.finish()
        if (rows := writer.kept.stored.rows) > limit:
            detail = f"The file has {rows} records, the limit is {limit}; use a smaller file."
            raise Problem(413, "too_many_records", detail)
        found = Rows(recognised=writer.recognised)
        for table in writer.kept.stored.tables():
            found.records.extend(from_table(table))
            found.originals.extend(table["original"].to_pylist())
        return found


def prompts_of(state: State, tenant_id: str, layout: Layout) -> Prompts:
    """Those that the layout's template makes, within the tenant's share of this process."""
    return Prompts(layout.template, state.shares.templates.of(tenant_id))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(READ_BYTES):
        yield piece


def _bounded(pieces: Iterator[bytes], settings: Settings) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > settings.max_batch_bytes:
            detail = f"The file expands to more than {settings.max_batch_bytes} bytes; send several."
            raise Problem(413, "body_too_large", detail)
        yield piece


def _decoded(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    decoder = Decoder(encoding)
    for piece in _pieces(file):
        yield from decoder.feed(piece)
    decoder.finish()


def _read_table(writer: BatchWriter, file: IO[bytes], settings: Settings) -> None:
    limits = {
        "max_rows": settings.max_batch_records,
        "max_bytes": settings.max_batch_bytes,
        "max_ratio": MAX_RATIO,
        "memory": settings.max_parquet_memory,
    }
    command = [sys.executable, "-I", str(CHILD), json.dumps(limits)]
    environment = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others reserve what the limit would count
    with subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            with pa.ipc.open_stream(child.stdout) as batches:
                writer.open_table(batches.schema)
                for batch in batches:
                    writer.add_table(pa.Table.from_batches([batch]))
            broken = False
        except pa.ArrowInvalid:
            broken = True
        finally:
            child.stdout.close()
        said = child.stderr.read()
    if child.returncode == REFUSED:
        found = json.loads(said)
        raise Problem(REFUSALS.get(found["code"], 422), found["code"], found["detail"])
    if child.returncode or broken:
        raise Problem(
            422,
            "bad_parquet",
            "The file breaks the reader of Parquet and Arrow; write it anew and send it again.",
        )
