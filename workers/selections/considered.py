"""Usable candidates with their nearest target and item: what is said of those that were not selected."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from evoselect.arrays import Ints
from evoselect.neighbours.both_ways import Nearest
from evoselect.pools.pool import Pool
from store.artifacts import StoredFile
from store.records.record import Record
from store.records.stored import Records
from store.results import considered
from workers.process.work import Work

MOST_PRODUCTS = 2 * 10**10  # of numbers, to find them: a few seconds of a core
Similar = list[tuple[int, float] | None]
"""By candidate rank and cosine of the item, None of items themselves."""


def put(
    work: Work, sent: Records, wanted: Sequence[Record], *, near: Nearest, items: Similar | None
) -> StoredFile:
    """Store them, a group of candidates in memory at a time."""
    folder = f"{work.claim.tenant_id}/considered"
    tables = _with_nearest(sent, [record.id for record in wanted], near, items)
    return considered.put_tables(work.context.artifacts, folder, tables)


def _with_nearest(
    sent: Records, wanted: Sequence[str], near: Nearest, items: Similar | None
) -> Iterator[pa.Table]:
    goals, start = pa.array(wanted, pa.string()), 0
    for table in sent.tables(["id", "content_hash"]):
        rows = slice(start, start + table.num_rows)
        named = goals.take(pa.array(near.target[rows]))
        cosines = pa.array(near.cosine[rows].astype(np.float32))
        beside = considered.columns_of(items[rows] if items else [None] * table.num_rows)
        columns = [table["id"], table["content_hash"], named, cosines, *beside]
        yield pa.Table.from_arrays(columns, schema=considered.SCHEMA)
        start = rows.stop


def similar_items(pool: Pool, chosen: Ints, *, large: bool) -> Similar | None:
    """Of every candidate of the pool, whose rows ``chosen`` (k,) were selected in that order.

    None where that is not cheap: whichever way a large pool was read.
    """
    rows, width = pool.shape
    if large or rows * len(chosen) * width > MOST_PRODUCTS:
        return None
    alike = pool.near(pool.gather(chosen))
    ranks, cosines = (alike.target + 1).tolist(), alike.cosine.tolist()
    found: Similar = list(zip(ranks, cosines, strict=True))
    for row in chosen.tolist():
        found[row] = None
    return found
