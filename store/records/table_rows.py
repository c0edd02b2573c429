"""Rows of tables as they came: Arrow streams, one row for each row received, whose schema names the source's.

A stream holds what reading an untrusted file leaves (service.intake.parquet_child): dictionaries as their
values, decimals as digits. `restored` makes the source's own types of them again.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

SOURCE = b"evoselect.source"  # in a stream's metadata: the schema that the rows came with
OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class NotRestored(ValueError):
    """A column of the source has a type that cannot be made again."""


def source_of(schema: pa.Schema) -> pa.Schema:
    """The schema that the rows came with; raises ArrowInvalid where the stream says none."""
    return pa.ipc.read_schema(pa.py_buffer((schema.metadata or {}).get(SOURCE, b"")))


def digest_of(schema: pa.Schema) -> str:
    """Equal for sources whose columns have the same names and types, in hexadecimal."""
    text = source_of(schema).to_string(
        truncate_metadata=False, show_field_metadata=False, show_schema_metadata=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def taken(path: Path, rows: Sequence[int]) -> pa.Table:
    """Some rows of a stream in a local file, by ascending numbers from 0; a batch in memory at a time."""
    wanted, first, parts = np.asarray(rows, dtype=np.int64), 0, []
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            inside = wanted[(wanted >= first) & (wanted < first + batch.num_rows)] - first
            if len(inside):
                parts.append(batch.take(pa.array(inside)))
            first += batch.num_rows
        return pa.Table.from_batches(parts, stream.schema)


def restored(table: pa.Table, source: pa.Schema) -> pa.Table:
    """Rows of a stream with the schema that they came with; raises NotRestored."""
    columns = []
    for field in source:
        try:
            columns.append(table[field.name].cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError) as error:
            detail = f"The column {field.name!r:.60} of type {field.type!s:.60} cannot be made again"
            raise NotRestored(f"{detail} ({error!s:.100}).") from None
    return pa.table(columns, schema=source)
