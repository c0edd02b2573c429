"""The items of a finished selection: Parquet with one JSON text per item, in rank order, read by pages.

An item is {"rank": 1.., "id", "weight", "record": {...}, ...reasons}; clients get its JSON byte for byte, or
the row that its record came as.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from store.artifacts import Artifacts, StoredFile
from store.kit.json import Json
from store.records.record import has_extra

SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("original", pa.string()),  # JSON; null where the record says all of it
        pa.field("content_hash", pa.string()),  # of its record; null in files of earlier releases
    ]
)
REASONS = ("rank", "score", "weight", "repeats", "why")  # that may stand in the row as it came
GROUP_ROWS = 1000  # a page reads the row groups that it touches, and nothing else


def put(
    artifacts: Artifacts,
    folder: str,
    items: Sequence[Json],
    originals: Mapping[str, str] | None = None,
) -> StoredFile:
    """Store the items; the job's result keeps the file at artifacts.items.

    `originals` are rows as they came, by content hash. Raises ValueError when the ranks are not 1, 2, 3, ...
    """
    ranks = [item["rank"] for item in items]
    if ranks != list(range(1, len(items) + 1)):
        raise ValueError(f"ranks must be 1 to {len(items)} in order, got {ranks[:5]}...")
    texts = [orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY).decode() for item in items]
    columns = {
        "rank": ranks,
        "id": [item["id"] for item in items],
        "item": texts,
        "original": [(originals or {}).get(item.get("content_hash", "")) for item in items],
        "content_hash": [_content(item) for item in items],
    }
    table = pa.table(columns, schema=SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=GROUP_ROWS)
    stored = artifacts.put_bytes(folder, sink.getvalue().to_pybytes(), ".parquet")
    return stored.reference(rows=len(items))


def read(artifacts: Artifacts, stored: StoredFile, *, after: int, limit: int) -> Iterator[bytes]:
    """JSON texts of the items with ranks after + 1 to after + limit, one row group in memory at a time."""
    for texts in read_groups(artifacts, stored, after=after, limit=limit):
        for text in texts:
            yield text.encode()


def first(artifacts: Artifacts, stored: StoredFile, count: int) -> list[Json]:
    """The first `count` items."""
    return [orjson.loads(text) for text in read(artifacts, stored, after=0, limit=count)]


def at(artifacts: Artifacts, stored: StoredFile, ranks: Collection[int]) -> dict[int, Json]:
    """The items of these ranks, each row group read once."""
    found: dict[int, Json] = {}
    for group in sorted({(rank - 1) // GROUP_ROWS for rank in ranks}):
        first = group * GROUP_ROWS
        for rank, text in enumerate(read(artifacts, stored, after=first, limit=GROUP_ROWS), first + 1):
            if rank in ranks:
                found[rank] = orjson.loads(text)
    return found


def read_groups(
    artifacts: Artifacts,
    stored: StoredFile,
    *,
    after: int,
    limit: int,
    extra: Mapping[str, str] | None = None,
) -> Iterator[list[str]]:
    """The same by row groups; with ``extra`` the first `limit` of those that hold it."""
    for table in chosen(artifacts, stored, ["item"], after=after, limit=limit, extra=extra):
        yield table.column("item").to_pylist()


def contents(artifacts: Artifacts, stored: StoredFile) -> list[str]:
    """The content hash of each item in rank order; its id where a release kept no hash."""
    groups = _groups(artifacts, stored, ["content_hash"], after=0, limit=stored.rows or 0)
    found: list[str | None] = []
    for table in groups:
        found += table.column("content_hash").to_pylist()
    named = [name for name in found if name is not None]
    if len(named) == len(found):
        return named
    texts = read(artifacts, stored, after=0, limit=stored.rows or 0)
    return [_content(orjson.loads(text)) for text in texts]


def _content(item: Json) -> str:
    name: str = item["content_hash"] if "content_hash" in item else item["id"]
    return name


def read_originals(
    artifacts: Artifacts,
    stored: StoredFile,
    *,
    after: int,
    limit: int,
    extra: Mapping[str, str] | None = None,
    reasons: bool = False,
) -> Iterator[list[str]]:
    """The rows as they came, JSON without line ends, by row groups; ``extra`` as of read_groups.

    Where a row's own JSON is not kept, it is the record without an id that is its content hash. With
    ``reasons`` each gets a last member `_evoselect`.
    """
    for table in chosen(artifacts, stored, ["item", "original"], after=after, limit=limit, extra=extra):
        rows = zip(table.column("item").to_pylist(), table.column("original").to_pylist(), strict=True)
        yield [_original(orjson.loads(item), original, reasons) for item, original in rows]


def _original(item: Json, original: str | None, reasons: bool) -> str:
    if original is None:
        record = dict(item["record"])
        if record.get("id") == item.get("content_hash"):
            record.pop("id", None)
        original = orjson.dumps(record).decode()
    if not reasons:
        return original
    why = orjson.dumps({name: item.get(name) for name in REASONS}).decode()
    return f'{original.rstrip().removesuffix("}")},"_evoselect":{why}}}'


def chosen(
    artifacts: Artifacts,
    stored: StoredFile,
    columns: list[str],
    *,
    after: int,
    limit: int,
    extra: Mapping[str, str] | None = None,
) -> Iterator[pa.Table]:
    """These columns, `item` among them, by row groups; ``extra`` as of read_groups."""
    if not extra:
        yield from _groups(artifacts, stored, columns, after=after, limit=limit)
        return
    for table in _groups(artifacts, stored, columns, after=after, limit=stored.rows or 0):
        records = (orjson.loads(text)["record"] for text in table.column("item").to_pylist())
        held = [has_extra(record.get("extra"), extra) for record in records]
        part = table.filter(pa.array(held)).slice(0, limit)
        limit -= part.num_rows
        yield part
        if not limit:
            return


def _groups(
    artifacts: Artifacts, stored: StoredFile, columns: list[str], *, after: int, limit: int
) -> Iterator[pa.Table]:
    """These columns of the ranks after + 1 to after + limit; what an older file lacks is null."""
    stop = min(after + limit, stored.rows or 0)
    if after >= stop:
        return
    with artifacts.open(stored.path) as stream:
        file = pq.ParquetFile(stream)
        for group in range(after // GROUP_ROWS, (stop - 1) // GROUP_ROWS + 1):
            first = group * GROUP_ROWS
            there = [name for name in columns if name in file.schema_arrow.names]
            table = file.read_row_group(group, columns=there)
            for name in set(columns) - set(there):
                table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
            start = max(0, after - first)
            yield table.slice(start, stop - first - start)


def find(artifacts: Artifacts, stored: StoredFile, id: str, content: str | None = None) -> Json | None:
    """The item of best rank with that id, and with that content hash where one is given; or None."""
    with artifacts.open(stored.path) as stream:
        file = pq.ParquetFile(stream)
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["id"]).column("id").to_pylist()
            if id not in ids:
                continue
            texts = file.read_row_group(group, columns=["item"]).column("item").to_pylist()
            for own, text in zip(ids, texts, strict=True):
                item: Json = orjson.loads(text) if own == id else {}
                if item and content in (None, item.get("content_hash", content)):
                    return item
    return None
