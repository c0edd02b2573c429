"""Generated records as the one batch of a round's pool, and what earlier rounds were given."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from store.artifacts import Artifact
from store.data import pools
from store.data.content_runs import Index, Run, StoredRun, joined
from store.data.pools import BATCH_SCHEMA, Counts
from store.loops import steps as loop_steps
from store.records.columns import content_keys
from store.records.record import Record, from_table, plain_text, to_table
from workers.generators import near
from workers.process.work import Work


@dataclass(frozen=True, slots=True)
class Stored:
    """Files of a batch that has no row yet."""

    artifact: Artifact
    counts: Counts
    keys: Index


def store(work: Work, records: list[Record]) -> Stored | None:
    """Write records of different contents and the index of their contents; None where there are none."""
    if not records:
        return None
    tenant, artifacts = work.claim.tenant_id, work.context.artifacts
    positions = pa.array(np.arange(len(records)), pa.int64())
    table = to_table(records)
    artifact = artifacts.put_table(
        f"{tenant}/pools", table.append_column(BATCH_SCHEMA.field("position"), positions)
    )
    keys = content_keys(table)
    index = artifacts.put_bytes(
        f"{tenant}/pool_keys/{work.claim.shard_id}", joined([Run(keys[:, 0], keys[:, 1])]).to_bytes(), ".keys"
    )
    runs = (StoredRun(path=index.path, rows=len(records)),)
    return Stored(artifact, Counts(len(records), len(records), 0, 0), Index(runs=runs))


def earlier(work: Work, number: int) -> tuple[set[str], list[str]]:
    """(content hashes, texts) of what the rounds before one were given; no texts where there are too many."""
    with work.context.database.transaction() as session:
        rows = loop_steps.rounds(session, work.claim.job_id)[: number - 1]
        sources = [
            source
            for row in rows
            if row.pool_id is not None
            for source in pools.sources(
                session, pools.get(session, work.claim.tenant_id, row.pool_id), row.pool_version or 0
            )
        ]
    contents: set[str] = set()
    texts: list[str] = []
    compared = sum(source.rows for source in sources) <= near.MOST
    for source in sources:
        table = work.context.artifacts.get_table(source.artifact, source.sha256)
        contents.update(table["content_hash"].to_pylist())
        texts += map(plain_text, from_table(table)) if compared else ()
    return contents, texts
