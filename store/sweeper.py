"""Finds what was lost: shards whose worker fell silent or whose message never arrived."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from store import jobs, outbox
from store.models import Job, Shard
from store.states import JobStatus, ShardState


def sweep(session: Session, *, rekick: float, quiet: Collection[str], limit: int = 1000) -> int:
    """Ring again for expired leases, and for shards that wait though their queue is quiet; returns how many.

    `quiet` names the queues without messages: where messages wait, a ready shard only waits for its turn.
    The claim itself moves the lease, so ringing is enough and a second ring is harmless.
    """
    now = func.clock_timestamp()
    lost = or_(
        (Shard.state == ShardState.RUNNING) & (Shard.lease_until < now),
        (Shard.state == ShardState.READY)
        & Shard.queue.in_(quiet)
        & (Shard.kicked_at < now - timedelta(seconds=rekick)),
    )
    query = select(Shard).where(lost, Shard.kicked_at < now - timedelta(seconds=1))
    found = session.scalars(query.limit(limit).with_for_update(skip_locked=True)).all()
    for shard in found:
        shard.kicked_at = now
        outbox.ring(session, shard)
    return len(found)


def settle_cancelling(session: Session) -> int:
    """Jobs that wait for a shard whose worker died while cancelling become cancelled; returns how many."""
    expired = (
        (Shard.job_id == Job.id)
        & (Shard.state == ShardState.RUNNING)
        & (Shard.lease_until >= func.clock_timestamp())
    )
    query = select(Job.id).where(Job.status == JobStatus.CANCELLING, ~select(Shard).where(expired).exists())
    settled = 0
    for job_id in session.scalars(query).all():
        job = jobs.lock(session, job_id)
        for shard in session.scalars(
            select(Shard).where(Shard.job_id == job_id, Shard.state == ShardState.RUNNING).with_for_update()
        ):
            shard.state = ShardState.CANCELLED
            shard.token += 1
            shard.finished_at = func.clock_timestamp()
        session.flush()
        jobs.settle_cancel(session, job)
        settled += 1
    return settled


def expire_leases(session: Session) -> None:
    """End every lease at once: for a database whose workers are all known to be dead."""
    past = func.clock_timestamp() - timedelta(seconds=60)
    session.execute(
        update(Shard).where(Shard.state == ShardState.RUNNING).values(lease_until=past, kicked_at=past)
    )
