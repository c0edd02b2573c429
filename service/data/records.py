"""The records of a pool or a target by pages, and those among them that hold a text."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.services import State
from store.data.sources import Source
from store.kit.json import Json
from store.records import record as records

SCANNED_ROWS = 100_000  # looked through for one page, so that a search ends in time
TEXTS = ("prompt", "messages", "completion")
Rows = npt.NDArray[np.int64]
Keep = Callable[[pa.Table], pa.Array]
"""Which rows of a table of `id` and `content_hash` count, as truth values."""
PAGE_CHARS = 8 * 2**20  # of a page's records and rows; the one that goes beyond is its last


class RecordView(TypedDict):
    """One record as responses show it."""

    object: str
    number: int
    """From 1, in the order in which they came."""
    record: Json
    original: object
    """The row as it came, encoded already; None where the record says all of it."""


class RecordPage(TypedDict):
    """Some of them, and where the next page begins."""

    object: str
    data: list[RecordView]
    has_more: bool
    next_after: int | None


def page(
    state: State,
    sources: Sequence[Source],
    *,
    after: int,
    limit: int,
    text: str | None = None,
    extra: Mapping[str, str] | None = None,
    keep: Keep | None = None,
) -> RecordPage:
    """Records behind the first `after`, at most `limit`, that hold `text`, have `extra` and are kept.

    `next_after` is where the next page begins, null at the end: before it a search may give a page with few
    records, or none.
    """
    total = sum(source.rows for source in sources)
    found: list[RecordView] = []
    seen, chars = after, 0
    for group in _groups(state, sources, after):
        first = group.first
        for place in _places(group, text, extra or {}, keep):
            view, size = _view(group.whole, first, place)
            found.append(view)
            chars += size
            if len(found) == limit or chars >= PAGE_CHARS:
                seen = first + place + 1
                break
        else:
            seen = first + group.rows
            if seen - after < SCANNED_ROWS:
                continue
        break
    return {
        "object": "list",
        "data": found,
        "has_more": seen < total,
        "next_after": seen if seen < total else None,
    }


@dataclass(frozen=True)
class _Group:
    """The rows of a row group behind the first `skipped`; columns are read when they are asked for."""

    file: pq.ParquetFile
    number: int
    skipped: int
    first: int
    """Records of all sources before its first row."""

    @property
    def rows(self) -> int:
        """How many."""
        rows: int = self.file.metadata.row_group(self.number).num_rows
        return rows - self.skipped

    def table(self, names: Sequence[str]) -> pa.Table:
        """The columns that it has of these."""
        there = [name for name in names if name in self.file.schema_arrow.names]
        return self.file.read_row_group(self.number, columns=there).slice(self.skipped)

    @cached_property
    def whole(self) -> pa.Table:
        """All that a record is made of."""
        return self.table([*records.SCHEMA.names, "original"])


def _groups(state: State, sources: Sequence[Source], after: int) -> Iterator[_Group]:
    """Row groups behind the first `after` records."""
    first = 0
    for source in sources:
        if first + source.rows <= after:
            first += source.rows
            continue
        with state.artifacts.open(source.artifact) as stream:
            file = pq.ParquetFile(stream)
            for number in range(file.num_row_groups):
                rows = file.metadata.row_group(number).num_rows
                if first + rows > after:
                    skipped = max(0, after - first)
                    yield _Group(file, number, skipped, first + skipped)
                first += rows


def find(state: State, sources: Sequence[Source], content_hash: str) -> RecordView | None:
    """The record with that content, as `page` shows it; None where there is none."""
    return _first(state, sources, lambda table: pc.equal(table["content_hash"], content_hash))


def named(state: State, sources: Sequence[Source], name: str) -> RecordView | None:
    """The first record with that id or content hash; None where there is none."""

    def same(table: pa.Table) -> pa.Array:
        return pc.or_(pc.equal(table["id"], name), pc.equal(table["content_hash"], name))

    return _first(state, sources, same)


def at(state: State, sources: Sequence[Source], rows: Collection[int]) -> dict[int, RecordView]:
    """The records of some rows, counted from 0 over all sources."""
    found: dict[int, RecordView] = {}
    wanted, first = sorted(rows), 0
    for source in sources:
        own = [row for row in wanted if first <= row < first + source.rows]
        if own:
            for group in _groups(state, [source], own[0] - first):
                start = first + group.first
                held = [row for row in own if start <= row < start + group.rows]
                found |= {row: _view(group.whole, start, row - start)[0] for row in held}
                if len(held) and held[-1] == own[-1]:
                    break
        first += source.rows
    return found


def _first(state: State, sources: Sequence[Source], keep: Keep) -> RecordView | None:
    total, after = sum(source.rows for source in sources), 0
    while after < total:
        found = page(state, sources, after=after, limit=1, keep=keep)
        if found["data"]:
            return found["data"][0]
        after = found["next_after"] or total
    return None


def _places(group: _Group, text: str | None, extra: Mapping[str, str], keep: Keep | None) -> Sequence[int]:
    """Rows that hold the text, are kept and have such an `extra`; each is asked of what the last one left."""
    rows = np.arange(group.rows)
    if text is not None:
        rows = _holding(group.table(TEXTS), text)
    if keep and len(rows):
        rows = rows[_flags(keep(group.table(("id", "content_hash")).take(rows)))]
    if extra and len(rows):
        held = group.table(("extra",))
        told = held["extra"].take(rows).to_pylist() if held.num_columns else [None] * len(rows)
        rows = rows[[own is not None and records.has_extra(orjson.loads(own), extra) for own in told]]
    found: list[int] = rows.tolist()
    return found


def _holding(table: pa.Table, text: str) -> Rows:
    """Rows whose prompt, turns or completion hold the text, whatever its case."""
    held = np.zeros(table.num_rows, bool)
    for name in ("prompt", "completion"):
        held |= _flags(pc.match_substring(table[name], text, ignore_case=True))
    turns = table["messages"].combine_chunks()
    told = pc.match_substring(pc.struct_field(turns.flatten(), "content"), text, ignore_case=True)
    held[pc.list_parent_indices(turns).filter(told).to_numpy()] = True
    return np.flatnonzero(held)


def _flags(found: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Truth values, null as false."""
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), dtype=bool)


def _view(table: pa.Table, first: int, place: int) -> tuple[RecordView, int]:
    """One row as answers show it, and about how many characters that takes."""
    row = table.slice(place, 1)
    (record,) = records.from_table(row)
    original = row["original"][0].as_py() if "original" in row.column_names else None
    view: RecordView = {
        "object": "record",
        "number": first + place + 1,
        "record": {**records.to_json(record), "content_hash": record.content_hash},
        "original": None if original is None else orjson.Fragment(original),
    }
    return view, len(records.plain_text(record)) + len(original or "")
