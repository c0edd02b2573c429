"""The records of a pool or a target by pages, and those among them that hold a text."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.services import State
from store.data.sources import Source
from store.kit.json import Json
from store.records import record as records

SCANNED_ROWS = 100_000  # looked through for one page, so that a search ends in time
Keep = Callable[[pa.Table], pa.Array]
"""Which rows of a table of records count, as truth values."""
PAGE_CHARS = 8 * 2**20  # of a page's records and rows; the one that goes beyond is its last


def page(
    state: State,
    sources: Sequence[Source],
    *,
    after: int,
    limit: int,
    text: str | None = None,
    extra: Mapping[str, str] | None = None,
    keep: Keep | None = None,
) -> Json:
    """Records behind the first `after`, at most `limit`, that hold `text`, have `extra` and are kept.

    `next_after` is where the next page begins, null at the end: before it a search may give a page with few
    records, or none.
    """
    total = sum(source.rows for source in sources)
    found: list[Json] = []
    seen, chars = after, 0
    for first, table in _groups(state, sources, after):
        for place in _places(table, text, extra or {}, keep):
            view, size = _view(table, first, place)
            found.append(view)
            chars += size
            if len(found) == limit or chars >= PAGE_CHARS:
                seen = first + place + 1
                break
        else:
            seen = first + table.num_rows
            if seen - after < SCANNED_ROWS:
                continue
        break
    return {
        "object": "list",
        "data": found,
        "has_more": seen < total,
        "next_after": seen if seen < total else None,
    }


def _groups(state: State, sources: Sequence[Source], after: int) -> Iterator[tuple[int, pa.Table]]:
    """Row groups behind the first `after` records, each with the number of its first record."""
    first = 0
    for source in sources:
        if first + source.rows <= after:
            first += source.rows
            continue
        with state.artifacts.open(source.artifact) as stream:
            file = pq.ParquetFile(stream)
            there = [*records.SCHEMA.names, "original"]
            columns = [name for name in there if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if first + rows > after:
                    skipped = max(0, after - first)
                    yield first + skipped, file.read_row_group(group, columns=columns).slice(skipped)
                first += rows


def find(state: State, sources: Sequence[Source], content_hash: str) -> Json | None:
    """The record with that content, as `page` shows it; None where there is none."""

    def same(table: pa.Table) -> pa.Array:
        return pc.equal(table["content_hash"], content_hash)

    total, after = sum(source.rows for source in sources), 0
    while after < total:
        found = page(state, sources, after=after, limit=1, keep=same)
        if found["data"]:
            view: Json = found["data"][0]
            return view
        after = found["next_after"] or total
    return None


def _places(table: pa.Table, text: str | None, extra: Mapping[str, str], keep: Keep | None) -> Sequence[int]:
    """Rows that hold the text, are kept and have such an `extra`; each is asked of what the last one left."""
    rows: Sequence[int] = range(table.num_rows) if text is None else _holding(table, text)
    if keep and rows:
        flags = keep(table if text is None else table.take(rows)).to_pylist()
        rows = [row for row, flag in zip(rows, flags, strict=True) if flag]
    if not extra or not rows or "extra" not in table.column_names:
        return [] if extra else rows
    texts = table["extra"].take(pa.array(rows, pa.int64())).to_pylist()
    return [
        row
        for row, own in zip(rows, texts, strict=True)
        if own and records.has_extra(orjson.loads(own), extra)
    ]


def _holding(table: pa.Table, text: str) -> list[int]:
    """Rows whose prompt, turns or completion hold the text, whatever its case."""
    held = [pc.match_substring(table[name], text, ignore_case=True) for name in ("prompt", "completion")]
    turns = table["messages"].combine_chunks()
    parents = pc.list_parent_indices(turns)
    told = pc.match_substring(pc.struct_field(turns.flatten(), "content"), text, ignore_case=True)
    of_turns = set(parents.filter(told).to_pylist())
    flat = pc.or_kleene(*held)
    return [row for row, flag in enumerate(flat.to_pylist()) if flag or row in of_turns]


def _view(table: pa.Table, first: int, place: int) -> tuple[Json, int]:
    """One row as answers show it, and about how many characters that takes."""
    row = table.slice(place, 1)
    (record,) = records.from_table(row)
    original = row["original"][0].as_py() if "original" in row.column_names else None
    view = {
        "object": "record",
        "number": first + place + 1,
        "record": {**records.to_json(record), "content_hash": record.content_hash},
        "original": None if original is None else orjson.Fragment(original),
    }
    return view, len(records.plain_text(record)) + len(original or "")
