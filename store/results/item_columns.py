"""Items of a selection as flat Parquet columns, for tools that read tables."""

from collections.abc import Iterable
from typing import Any

import orjson
import pyarrow as pa

from store.records import record as records

_SERVED = pa.struct(
    [pa.field("id", pa.string()), pa.field("cosine", pa.float64()), pa.field("mass", pa.float64())]
)
_CLUSTER = pa.struct([pa.field("representative", pa.string()), pa.field("rows", pa.int64())])
_LEAK = pa.struct(
    [
        pa.field("target_id", pa.string()),
        pa.field("partner", pa.string()),
        pa.field("similarity", pa.float64()),
        pa.field("run_share", pa.float64()),
    ]
)
REASONS = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string()),
        pa.field("weight", pa.float64()),
        pa.field("repeats", pa.int64()),
        pa.field("tokens", pa.int64()),
        pa.field("pinned", pa.bool_()),
        pa.field("score", pa.float64()),
        pa.field("ot_gradient", pa.float64()),
        pa.field("redundancy", pa.float64()),
        pa.field("nearest_selected", pa.string()),
        pa.field("targets", pa.list_(_SERVED)),
        pa.field("cluster", _CLUSTER),
        pa.field("leaks", pa.list_(_LEAK)),
        pa.field("why", pa.string()),
    ]
)
_RECORD = [field.with_nullable(True) for field in records.SCHEMA if field.name not in REASONS.names]
SCHEMA = pa.schema([*REASONS, *_RECORD])
"""The reasons, then the fields of the record; OBJECTS are JSON texts."""


def to_table(texts: Iterable[str]) -> pa.Table:
    """Items given as JSON texts as a table with SCHEMA, in their order."""
    return pa.Table.from_pylist([_row(orjson.loads(text)) for text in texts], schema=SCHEMA)


def _row(item: dict[str, Any]) -> dict[str, Any]:
    record = item.get("record") or {}
    row = {name: item.get(name) for name in REASONS.names}
    row |= {field.name: record.get(field.name) for field in _RECORD}
    for name in records.OBJECTS:
        if record.get(name) is not None:
            row[name] = orjson.dumps(record[name]).decode()
    return row
