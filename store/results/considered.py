"""The candidates that a selection could have picked, in pool order, each with its nearest target and item.

Reads batches, repetitions and rejections too, one row group in memory at a time, to find a single candidate.
"""

import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.artifacts import Artifacts, StoredFile

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("nearest_target", pa.string(), nullable=False),
        pa.field("cosine", pa.float32(), nullable=False),
        pa.field(
            "item_rank", pa.int64()
        ),  # of the most similar item; null for items, and where nobody looked
        pa.field("item_cosine", pa.float32()),
    ]
)


def put(
    artifacts: Artifacts,
    folder: str,
    *,
    ids: Sequence[str],
    hashes: Sequence[str],
    nearest: Sequence[str],
    cosines: Sequence[float],
    items: Sequence[tuple[int, float] | None] | None = None,
) -> StoredFile:
    """Store the columns; the result keeps the file at artifacts.considered.

    ``items`` are rank and cosine of the most similar item, None for what is one itself.
    """
    beside = columns_of(items or [None] * len(ids))
    table = pa.table([ids, hashes, nearest, pa.array(cosines, pa.float32()), *beside], schema=SCHEMA)
    return put_tables(artifacts, folder, [table])


def columns_of(items: Sequence[tuple[int, float] | None]) -> tuple[pa.Array, pa.Array]:
    """Ranks and cosines of the most similar items as the last columns of SCHEMA."""
    beside = [one or (None, None) for one in items]
    ranks = pa.array([rank for rank, _ in beside], pa.int64())
    return ranks, pa.array([cosine for _, cosine in beside], pa.float32())


def put_tables(artifacts: Artifacts, folder: str, tables: Iterable[pa.Table]) -> StoredFile:
    """The same of tables of SCHEMA that follow each other, of which a few are in memory at a time."""
    rows = 0
    with (
        tempfile.TemporaryFile(prefix="evoselect-") as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
        writer.close()
        stored = artifacts.put_stream(folder, file, ".parquet")
    return stored.reference(rows=rows)


def find_row(
    artifacts: Artifacts, path: str, name: str, *, more: Sequence[str] = ()
) -> dict[str, Any] | None:
    """The first row of a Parquet file whose id or content hash is `name`: id, content_hash and `more`."""
    with artifacts.open(path) as stream:
        file = pq.ParquetFile(stream)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["id", "content_hash", *more])
            found = pc.or_(pc.equal(table["id"], name), pc.equal(table["content_hash"], name))
            at = pc.index(found, True).as_py()
            if at >= 0:
                row: dict[str, Any] = table.slice(at, 1).to_pylist()[0]
                return row
    return None


def rejection(artifacts: Artifacts, stored: StoredFile, candidate_id: str) -> str | None:
    """Why the candidate could not be selected, from the lines {id, reason} of the job; None if it could."""
    wanted = orjson.dumps(candidate_id)
    with artifacts.open(stored.path) as stream:
        for line in stream:
            if wanted in line and (row := orjson.loads(line))["id"] == candidate_id:
                return str(row["reason"])
    return None
