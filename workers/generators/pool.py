"""The generator `pool`: each round's candidates are the next ones of a fixed order, drawn by the seed."""

import random

import pyarrow as pa

from evoselect.spec.loop import PoolGenerator
from store.data import pools
from store.loops.results import Generated
from store.records.record import Record, from_table
from workers.process.work import Work


def draw(work: Work, generator: PoolGenerator, number: int, seed: int) -> tuple[list[Record], Generated]:
    """(records of round `number`, counts); no record comes in two rounds, the last ones may be fewer."""
    with work.context.database.transaction() as session:
        pool = pools.get(session, work.claim.tenant_id, generator.pool_id)
        sources = pools.sources(session, pool, generator.pool_version or 0)
    order = list(range(sum(source.rows for source in sources)))
    random.Random(seed).shuffle(order)
    size = generator.size or len(order)
    wanted = sorted(order[(number - 1) * size : number * size])
    tables, first = [], 0
    for source in sources:
        own = [row - first for row in wanted if first <= row < first + source.rows]
        if own:
            tables.append(work.context.artifacts.get_table(source.artifact, source.sha256).take(own))
            work.progress(sum(table.num_rows for table in tables))
        first += source.rows
    records = from_table(pa.concat_tables(tables, promote_options="default")) if tables else []
    left = max(0, len(order) - number * size)
    return records, Generated(candidates=len(records), left_in_pool=left)
