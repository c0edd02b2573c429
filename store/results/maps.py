"""The map of a selection as Parquet: a row per point, in columns that Embedding Atlas opens as they are.

`embedding-atlas map.parquet --x x --y y --neighbors neighbors --text text`. `neighbors` holds row numbers of
this file, from 0.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

KINDS = ("pool", "target", "selected")
NEIGHBOURS = pa.struct([pa.field("ids", pa.list_(pa.int64())), pa.field("distances", pa.list_(pa.float64()))])
DRAWN = ("id", "kind", "x", "y")
"""Columns that a picture needs."""
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("selected", pa.bool_(), nullable=False),
        pa.field("rank", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("x", pa.float64(), nullable=False),
        pa.field("y", pa.float64(), nullable=False),
        pa.field("neighbors", NEIGHBOURS, nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)


def table(columns: Mapping[str, Any]) -> pa.Table:
    """The columns of SCHEMA as a table; raises KeyError or ArrowInvalid where they are not those."""
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def points(found: pa.Table) -> dict[str, dict[str, list[Any]]]:
    """By kind the ids and coordinates of its points, in the order of the file."""
    kinds = found["kind"].to_pylist()
    rows = {
        name: pa.array([at for at, kind in enumerate(kinds) if kind == name], pa.int64()) for name in KINDS
    }
    return {
        name: {column: found[column].take(at).to_pylist() for column in ("id", "x", "y")}
        for name, at in rows.items()
    }
