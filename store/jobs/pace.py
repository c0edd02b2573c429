"""How many rows a feature shard takes, from how fast shards of the same model and kind of features went."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.jobs.requests import Featured
from store.settings import Settings
from store.tables.jobs import Job, Shard
from store.tables.states import ShardState

SHARD_SECONDS = 60.0  # long enough that claiming costs nothing, short enough that many workers share a job
MAX_ROWS = 65_536
REMEMBERED = 8  # shards that the pace is taken of
FEWEST = 32  # rows computed anew; a shard that found nearly all in the cache says nothing about the pace


def shard_rows(session: Session, tenant_id: str, asked: Featured, settings: Settings) -> int:
    """Rows of about SHARD_SECONDS of work, in whole windows; the setting where nothing is known yet."""
    seconds = seconds_per_row(session, tenant_id, asked)
    if seconds is None:
        return settings.shard_rows
    return max(1, round(min(SHARD_SECONDS / seconds, MAX_ROWS) / settings.window_rows)) * settings.window_rows


def seconds_per_row(session: Session, tenant_id: str, asked: Featured) -> float | None:
    """How long a worker takes for one row with the model; None where nothing is known yet.

    Hidden states take half of what gradients take and less, so each kind of features has a pace of its own.
    """
    query = (
        select(Shard.result["pace"])
        .join(Job, Job.id == Shard.job_id)
        .where(
            Job.tenant_id == tenant_id,
            Job.request["model"].astext == asked.model,
            Job.request["features"]["kind"].astext == asked.features.kind,
            Shard.phase == "features",
            Shard.state == ShardState.DONE,
            Shard.result["pace"]["rows"].as_integer() >= FEWEST,
        )
        .order_by(Shard.finished_at.desc())
        .limit(REMEMBERED)
    )
    known = list(session.scalars(query))
    seconds = sum(float(pace["seconds"]) for pace in known)
    return seconds / sum(int(pace["rows"]) for pace in known) if seconds else None
