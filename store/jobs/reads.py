"""What the API reads of jobs: many in one query, because many clients ask at the same time."""

from collections.abc import Collection

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from store.tables.jobs import Event, Job, Shard
from store.tables.states import ShardState

Progress = dict[str, dict[str, float]]
"""By phase: done and total rows, and seconds from the first claim to the last commit.

Of a phase that asked for others and started anew they are its last run's: the row of an earlier one is gone.
"""


def find(session: Session, wanted: Collection[tuple[str, str]]) -> list[Job]:
    """The jobs of these (tenant_id, job_id); those that do not exist are left out."""
    return list(session.scalars(select(Job).where(tuple_(Job.tenant_id, Job.id).in_(list(wanted)))))


def progress(session: Session, job_ids: Collection[str]) -> dict[str, Progress]:
    """The progress of each of these jobs."""
    rows = session.execute(
        select(
            Shard.job_id,
            Shard.phase,
            func.sum(Shard.rows_done),
            func.sum(Shard.rows_total),
            func.extract(
                "epoch",
                func.max(func.coalesce(Shard.finished_at, func.clock_timestamp()))
                - func.min(Shard.started_at),
            ),
        )
        .where(Shard.job_id.in_(list(job_ids)))
        .group_by(Shard.job_id, Shard.phase)
    )
    found: dict[str, Progress] = {job_id: {} for job_id in job_ids}
    for job_id, phase, done, total, seconds in rows:
        found[job_id][phase] = {
            "done": int(done),
            "total": int(total),
            "seconds": round(float(seconds or 0.0), 3),
        }
    return found


def running(session: Session, job_id: str) -> list[Shard]:
    """The shards of a job that a worker holds, with where they stand."""
    held = (Shard.job_id == job_id, Shard.state == ShardState.RUNNING)
    return list(session.scalars(select(Shard).where(*held).order_by(Shard.phase, Shard.index)))


def last_events(session: Session, job_ids: Collection[str]) -> dict[str, int]:
    """The number of each job's newest event."""
    rows = session.execute(select(Job.id, Job.last_event).where(Job.id.in_(list(job_ids))))
    return {job_id: last for job_id, last in rows}  # noqa: C416 - a Result has keys(), so dict() misreads it


def told(session: Session, job_id: str, event_type: str) -> list[Event]:
    """A job's events of one type, in order."""
    chosen = (Event.job_id == job_id, Event.type == event_type)
    return list(session.scalars(select(Event).where(*chosen).order_by(Event.sequence)))
