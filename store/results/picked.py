"""Rows of items as the table that they came as: a stream in rank order, see store.records.table_rows."""

import io
from collections.abc import Iterator, Mapping

import orjson
import pyarrow as pa

from store.artifacts import Artifacts, StoredFile
from store.records.table_rows import OPTIONS, restored, source_of
from store.results import items

_KINDS = {"rank": pa.int64(), "score": pa.float64(), "weight": pa.float64(), "repeats": pa.int64()}
WHY = pa.field("_evoselect", pa.struct([(name, _KINDS.get(name, pa.string())) for name in items.REASONS]))


def put(artifacts: Artifacts, folder: str, rows: pa.Table) -> StoredFile:
    """Store them in batches that are the row groups of the items."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=OPTIONS) as writer:
        for start in range(0, len(rows), items.GROUP_ROWS):
            writer.write_batch(*rows.slice(start, items.GROUP_ROWS).combine_chunks().to_batches())
    stored = artifacts.put_bytes(folder, sink.getvalue().to_pybytes(), ".arrow")
    return stored.reference(rows=len(rows))


def read(
    artifacts: Artifacts,
    stored: StoredFile,
    table: StoredFile,
    *,
    after: int,
    limit: int,
    extra: Mapping[str, str] | None = None,
    reasons: bool = False,
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """The schema that the rows came with, and the rows with the ranks after + 1 to after + limit.

    `stored` are the items, `table` is what `put` returned; ``extra`` and ``reasons`` as of items. Reading
    raises NotRestored where a type cannot be made again.
    """
    stream = pa.ipc.open_stream(io.BytesIO(artifacts.get_bytes(table.path, table.sha256)))
    source = source_of(stream.schema)
    groups = items.chosen(artifacts, stored, ["rank", "item"], after=after, limit=limit, extra=extra)
    parts = _parts(groups, stream, source, reasons)
    return (source.append(WHY) if reasons else source), parts


def _parts(
    groups: Iterator[pa.Table], stream: pa.RecordBatchReader, source: pa.Schema, reasons: bool
) -> Iterator[pa.Table]:
    read = 0  # batches of the stream
    for group in groups:
        if not group.num_rows:
            continue
        places = group["rank"].to_numpy() - 1
        while read <= places[0] // items.GROUP_ROWS:
            batch = stream.read_next_batch()
            read += 1
        rows = pa.Table.from_batches([batch.take(pa.array(places % items.GROUP_ROWS))])
        part = restored(rows, source)
        yield part.append_column(WHY, _why(group["item"].to_pylist())) if reasons else part


def _why(texts: list[str]) -> pa.Array:
    found = [orjson.loads(text) for text in texts]
    return pa.array([{name: item.get(name) for name in items.REASONS} for item in found], WHY.type)
