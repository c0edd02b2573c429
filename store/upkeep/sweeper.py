"""Finds what was lost, without trusting the broker: silent workers, waiting shards, stuck cancels, late jobs.

Any process may sweep; of those that want to, one does (`due`). What no code of ours can have written is
reported, never mended silently.
"""

import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.orm import Session

from store.errors import Conflict
from store.jobs import lifecycle as jobs
from store.jobs import outbox, shards
from store.jobs.plans import PAYLOAD_VERSION
from store.loops import steps as loop_steps
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Job, Shard
from store.tables.states import TERMINAL, JobStatus, ShardState

logger = logging.getLogger(__name__)
LIMIT = 1000  # rows of each kind per sweep

_BEGIN = text("""
insert into chores (name, begun_at) values (:name, clock_timestamp())
on conflict (name) do update set begun_at = excluded.begun_at
where chores.begun_at <= clock_timestamp() - cast(:every as interval)
returning name
""")

# Each line: what is wrong, and the rows that show it. Locks keep all of these from ever being committed.
_IMPOSSIBLE = text("""
select 'job ' || id || ' is ' || status || ' but nothing of it waits or runs' from jobs j
where kind not in ('loop', 'comparison')
    and status not in ('completed', 'failed', 'cancelled', 'expired') and not exists (
    select from shards where job_id = j.id and state in ('ready', 'running'))
union all
select 'job ' || j.id || ' is ' || j.status || ' but its shard ' || s.id || ' waits'
from jobs j join shards s on s.job_id = j.id
where j.status in ('completed', 'failed', 'cancelled', 'expired') and s.state = 'ready'
union all
select 'job ' || id || ' has the unknown status ' || status from jobs
where status not in
    ('queued', 'running', 'paused', 'cancelling', 'completed', 'failed', 'cancelled', 'expired')
union all
select 'shard ' || id || ' has the unknown state ' || state from shards
where state not in ('ready', 'running', 'done', 'failed', 'cancelled')
union all
select 'shard ' || id || ' runs without a lease' from shards where state = 'running' and lease_until is null
union all
select 'shard ' || s.id || ' waits in queue ' || s.queue || ', which knows no turn of tenant ' || s.tenant_id
from shards s where state = 'ready' and not exists (
    select from turns t where t.queue = s.queue and t.tenant_id = s.tenant_id)
limit 100
""")


def due(session: Session, name: str, every_seconds: float) -> bool:
    """Whether this process is the one to do a chore now: at most once in `every_seconds`, whoever asks."""
    return (
        session.execute(_BEGIN, {"name": name, "every": timedelta(seconds=every_seconds)}).first() is not None
    )


def sweep(database: Database, settings: Settings) -> None:
    """One round over everything that may have been lost; each find is settled in its own transaction."""
    take_back(database, max_attempts=settings.max_attempts)
    mend_loops(database)
    settle_cancelling(database)
    expire(database, settings.job_deadline_seconds)
    with database.transaction() as session:
        notify_again(session, settings.notify_again_seconds)
        for finding in impossible(session):
            logger.error("%s: a row was changed from outside, see docs/durability.md", finding)
        for queue, count in shards.too_new(session).items():
            logger.error("%d shards of queue %s wait for workers of a later release", count, queue)
            logger.error("their payload version is above %d, which is the last known here", PAYLOAD_VERSION)


def take_back(database: Database, *, max_attempts: int) -> int:
    """Shards whose worker fell silent wait again, or fail their job at last; returns how many."""
    silent = or_(Shard.lease_until.is_(None), Shard.lease_until < func.clock_timestamp())
    query = select(Shard.id).where(Shard.state == ShardState.RUNNING, silent).limit(LIMIT)
    with database.transaction() as session:
        found = session.scalars(query).all()
    lost = 0
    for shard_id in found:
        with database.transaction() as session:
            lost += shards.lose(session, shard_id, max_attempts=max_attempts)
    return lost


def settle_cancelling(database: Database) -> int:
    """Cancelling jobs of which nothing runs become cancelled; returns how many."""
    running = (Shard.job_id == Job.id) & (Shard.state == ShardState.RUNNING)
    query = select(Job.id).where(Job.status == JobStatus.CANCELLING, ~select(Shard).where(running).exists())
    with database.transaction() as session:
        found = session.scalars(query.limit(LIMIT)).all()
    for job_id in found:
        with database.transaction() as session:
            jobs.settle_cancel(session, jobs.lock(session, job_id))
    return len(found)


def mend_loops(database: Database) -> int:
    """Loops whose next shard was lost get one; steps that their loop left behind are cancelled."""
    with database.transaction() as session:
        found = loop_steps.lost(session)
    for loop_id in found:
        with database.transaction() as session:
            jobs.promise_advance(session, jobs.lock(session, loop_id))
    return len(found) + cancel_steps(database)


def cancel_steps(database: Database, loop_id: str = "") -> int:
    """Ask the open steps of ended or cancelling loops, or of that one, to stop; returns how many."""
    with database.transaction() as session:
        found = loop_steps.abandoned(session, loop_id)
    for tenant_id, job_id, kind in found:
        with suppress(Conflict), database.transaction() as session:  # it has just ended
            jobs.request_cancel(session, tenant_id, job_id, kind)
    return len(found)


def expire(database: Database, deadline_seconds: float) -> int:
    """Jobs that have not ended in time expire; returns how many."""
    late = Job.created_at < func.clock_timestamp() - timedelta(seconds=deadline_seconds)
    query = select(Job.id).where(Job.status.not_in(TERMINAL), late).limit(LIMIT)
    with database.transaction() as session:
        found = session.scalars(query).all()
    for job_id in found:
        with database.transaction() as session:
            job = jobs.lock(session, job_id)
            if not jobs.is_terminal(job):
                detail = (
                    f"not done {deadline_seconds:g} s after it was accepted (EVOSELECT_JOB_DEADLINE_SECONDS)"
                )
                jobs.expire(session, job, detail)
    return len(found)


def notify_again(session: Session, waited_seconds: float) -> list[str]:
    """Notify each queue in which a shard has waited for so long, once in that time; returns the queues."""
    ready = Shard.state == ShardState.READY
    since = Shard.available_at < func.clock_timestamp() - timedelta(seconds=waited_seconds)
    queues = [
        queue
        for queue in session.scalars(select(Shard.queue).where(ready, since).distinct())
        if due(session, f"ring {queue}", waited_seconds)
    ]
    for queue in queues:
        outbox.notify(session, queue)
    return queues


def impossible(session: Session) -> list[str]:
    """What the rows say that no code of ours can have written, a sentence each; at most 100."""
    return list(session.scalars(_IMPOSSIBLE))


def expire_leases(session: Session, workers: Collection[str] | None = None) -> None:
    """End the leases of workers that are known to be dead at once; by default all."""
    held = update(Shard).where(Shard.state == ShardState.RUNNING)
    if workers is not None:
        held = held.where(Shard.worker.in_(workers))
    session.execute(held.values(lease_until=func.clock_timestamp() - timedelta(seconds=60)))
