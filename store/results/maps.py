"""The map of a selection as Parquet: a row per point, in columns that Embedding Atlas opens as they are.

`embedding-atlas map.parquet --x x --y y --neighbors neighbors --text text`. `neighbors` holds row numbers of
this file, from 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

MARGIN = 0.04  # around the points of a picture, as a share of what they span
KINDS = ("pool", "target", "selected")
NEIGHBOURS = pa.struct([pa.field("ids", pa.list_(pa.int64())), pa.field("distances", pa.list_(pa.float64()))])
COLUMNS = ("id", "x", "y", "tsne_x", "tsne_y", "relevance", "length", "source", "cluster", "columns")
"""What a picture needs of its points, beside their kind."""
DRAWN = ("kind", *COLUMNS)
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
        pa.field("tsne_x", pa.float64()),  # null for points that t-SNE does not draw
        pa.field("tsne_y", pa.float64()),
        pa.field("relevance", pa.float64()),  # cosine to the nearest target; null for targets
        pa.field("length", pa.int64(), nullable=False),  # characters
        pa.field("source", pa.string()),  # by the column that the report names
        pa.field("cluster", pa.int64()),  # from 0
        pa.field("columns", pa.string()),  # JSON: values of the further columns that the report names
    ]
)


def table(columns: Mapping[str, Any]) -> pa.Table:
    """The columns of SCHEMA as a table; raises KeyError or ArrowInvalid where they are not those."""
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def points(found: pa.Table) -> dict[str, dict[str, Any]]:
    """By kind the columns of its points that the file has, in its order."""
    kinds, there = found["kind"].to_pylist(), found.column_names
    rows = {
        name: pa.array([at for at, kind in enumerate(kinds) if kind == name], pa.int64()) for name in KINDS
    }
    return {
        name: {column: _listed(column, found[column].take(at)) for column in COLUMNS if column in there}
        for name, at in rows.items()
    }


def _listed(name: str, column: pa.ChunkedArray) -> list[Any] | dict[str, list[str | None]]:
    """Its values; those of further columns by their names."""
    values: list[Any] = column.to_pylist()
    if name != "columns":
        return values
    rows: list[dict[str, str | None]] = [orjson.loads(text or "{}") for text in values]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def frame(parts: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, list[float]] | None:
    """What pictures of all these columns x and y are drawn in: their least and largest, with a margin."""
    drawn, found = list(parts), dict[str, list[float]]()
    for axis in ("x", "y"):
        every = [value for part in drawn for value in part[axis]]
        if not every:
            return None
        margin = MARGIN * ((max(every) - min(every)) or 1.0)
        found[axis] = [min(every) - margin, max(every) + margin]
    return found
