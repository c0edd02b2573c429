"""What a selection will cost, before it starts: from the pace that was measured, or else from a formula.

tokens   = bytes of text / 4, from the footers of the stored files (about right for English; not a tokenizer)
features = rows x measured seconds per row of the tenant's last shards with the model (store/jobs/pace.py);
           nothing measured yet: tokens x 6 x parameters / 5e10 per second, which is forward and backward on
           two cores (the constant is ours, from the logged runs of the default model)
bytes    = sketches: of the features worker, beside the model; matrix: of the select worker; features: on disk
transport = candidates x measured seconds per candidate of the tenant's last selections, or 1e-4 s
"""

from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.jobs import pace
from store.tables.jobs import Job, Shard
from store.tables.states import ShardState

BYTES_PER_TOKEN = 4
FLOPS_PER_PARAMETER = 6  # forward and backward, of each token
FLOPS_PER_SECOND = 5e10
NUMBER_BYTES = 4  # of a feature while it is computed with
STORED_BYTES = 2  # of one on disk
TRANSPORT_SECONDS = 1e-4  # of each candidate
UNSTATED_PARAMETERS = 135_000_000  # of a model whose size the operator's list leaves out
REMEMBERED = 8  # selections that the pace of the last phase is taken of
TEXT = ("prompt", "messages", "completion")


def of_selection(session: Session, artifacts: Artifacts, job: Job, parameters: int) -> dict[str, Any]:
    """rows, tokens, seconds of one worker by phase, and whether those were measured."""
    shards = session.scalars(select(Shard).where(Shard.job_id == job.id)).all()
    features = [shard for shard in shards if shard.phase == "features"]
    rows = sum(shard.rows_total for shard in features)
    paths = {shard.payload["artifact"] for shard in features}
    tokens = sum(_text_bytes(artifacts, path) for path in sorted(paths)) // BYTES_PER_TOKEN
    measured = pace.seconds_per_row(session, job.tenant_id, job.request["model"])
    work = tokens * FLOPS_PER_PARAMETER * (parameters or UNSTATED_PARAMETERS) / FLOPS_PER_SECOND
    candidates = rows if features else sum(shard.rows_total for shard in shards)
    return {
        "rows": candidates,
        "tokens": tokens,
        "shards": len(shards),
        "seconds": {
            "features": round(work if measured is None else rows * measured, 1),
            "transport": round(candidates * _transport_pace(session, job.tenant_id), 1),
        },
        "bytes": _bytes(job.request["features"], candidates),
        "basis": "formula" if measured is None else "measured",
    }


def _bytes(features: dict[str, Any], rows: int) -> dict[str, int]:
    """Of gradients, at most: a model with few modules takes less. Hidden states add what the model says."""
    computed = features["kind"] in ("gradient", "combined")
    numbers = rows * features["dim"] if computed else 0
    mixed = features["sketch_in"] * features["sketch_out"] * features["dim"]
    return {
        "sketches": mixed * NUMBER_BYTES if computed else 0,
        "features": numbers * STORED_BYTES,
        "matrix": numbers * NUMBER_BYTES,
    }


def _text_bytes(artifacts: Artifacts, path: str) -> int:
    with artifacts.open(path) as stream:
        metadata = pq.ParquetFile(stream).metadata
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return sum(
        group.column(column).total_uncompressed_size
        for group in groups
        for column in range(group.num_columns)
        if group.column(column).path_in_schema.partition(".")[0] in TEXT
    )


def _transport_pace(session: Session, tenant_id: str) -> float:
    """Seconds per candidate of the last selections; a constant where there were none."""
    seconds = func.extract("epoch", Shard.finished_at - Shard.started_at)
    last = (
        select(seconds.label("seconds"), Shard.rows_total.label("rows"))
        .where(Shard.tenant_id == tenant_id, Shard.phase == "transport", Shard.state == ShardState.DONE)
        .order_by(Shard.finished_at.desc())
        .limit(REMEMBERED)
        .subquery()
    )
    spent, rows = session.execute(select(func.sum(last.c.seconds), func.sum(last.c.rows))).one()
    return float(spent) / float(rows) if spent and rows else TRANSPORT_SECONDS
