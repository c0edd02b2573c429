"""Jobs: created, listed, moved from status to status, cancelled. Every change writes its event."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from store.errors import Conflict, NotFound
from store.jobs import outbox
from store.jobs.plans import FIRST_PHASE, ShardPlan
from store.kit.ids import new_id
from store.tables import owned
from store.tables.jobs import Event, Job, Shard, Turn
from store.tables.loops import LoopStep
from store.tables.owned import Window
from store.tables.states import NEXT, PREFIX, TERMINAL, JobKind, JobStatus, ShardState
from store.telemetry import traces
from store.webhooks import endpoints as webhooks


def create(
    session: Session,
    *,
    tenant_id: str,
    kind: JobKind,
    request: Mapping[str, object],
    plans: list[ShardPlan],
    name: str | None = None,
    user_metadata: Mapping[str, str] | None = None,
    priority: int = 0,
) -> Job:
    """Job, shards, event and outbox rows in the caller's transaction: all of it is stored or none."""
    job = Job(
        id=new_id(PREFIX[kind]),
        tenant_id=tenant_id,
        kind=kind,
        status=JobStatus.QUEUED,
        phase=plans[0].phase,
        name=name,
        request=dict(request),
        user_metadata=dict(user_metadata or {}),
        priority=priority,
        last_event=0,
        traceparent=traces.current(),
        queued_at=func.clock_timestamp(),
    )
    session.add(job)
    session.flush()
    insert_shards(session, job, plans)
    record_event(session, job, "job.queued", {"shards": len(plans)})
    session.flush()
    session.refresh(job)
    return job


def insert_shards(session: Session, job: Job, plans: list[ShardPlan]) -> None:
    """Add the shards of one phase, give the tenant its turn in their queues, and notify workers."""
    rows = [
        {
            "id": new_id("shd"),
            "job_id": job.id,
            "tenant_id": job.tenant_id,
            "priority": job.priority,
            "version": plan.version,
            "phase": plan.phase,
            "index": plan.index,
            "queue": plan.queue,
            "payload": plan.payload,
            "rows_total": plan.rows,
        }
        for plan in plans
    ]
    session.execute(insert(Shard), rows)
    for queue in sorted({plan.queue for plan in plans}):
        turn = {"queue": queue, "tenant_id": job.tenant_id, "served_at": func.to_timestamp(0)}
        session.execute(upsert(Turn).values(turn).on_conflict_do_nothing())
        outbox.notify(session, queue, sum(plan.queue == queue for plan in plans))


def get(session: Session, tenant_id: str, job_id: str, kind: JobKind) -> Job:
    """The tenant's job of that kind; raises NotFound."""
    job = owned.get(session, Job, tenant_id, job_id, noun=kind)
    if job.kind != kind:
        raise NotFound(kind, job_id)
    return job


def lock(session: Session, job_id: str) -> Job:
    """The job's row, locked: transitions, events and barriers of one job happen one after another."""
    return session.execute(
        select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def listing(
    session: Session,
    tenant_id: str,
    kind: JobKind,
    *,
    window: Window,
    statuses: Sequence[str] | None = None,
    name: str | None = None,
) -> list[Job]:
    """Newest first unless the window says else, limit + 1 at most: the caller sees whether there are more."""
    where = [Job.kind == kind]
    if statuses:
        where.append(Job.status.in_(statuses))
    if name is not None:
        where.append(Job.name == name)
    return owned.listed(session, Job, tenant_id, *where, window=window)


def record_event(session: Session, job: Job, event_type: str, data: Mapping[str, object]) -> None:
    """Append to the job's events; the caller holds the row's lock, so numbers have no gap."""
    job.last_event += 1
    session.add(Event(job_id=job.id, sequence=job.last_event, type=event_type, data=dict(data)))
    if event_type == f"job.{job.status}":
        webhooks.promise(session, job, job.last_event)


def transition(
    session: Session, job: Job, status: JobStatus, data: Mapping[str, object] | None = None
) -> None:
    """Move a locked job to a status that may follow, with its time and its event."""
    if status not in NEXT.get(JobStatus(job.status), set()):
        raise Conflict(f"job {job.id} is {job.status} and cannot become {status}")
    job.status = status
    setattr(job, f"{status}_at", func.clock_timestamp())
    record_event(session, job, f"job.{status}", data or {})
    if status in TERMINAL:
        _promise_advance_of(session, job.id)


def _promise_advance_of(session: Session, job_id: str) -> None:
    """Where the job that ended is a step of a loop or comparison, that is advanced."""
    loop_id = session.scalar(select(LoopStep.loop_id).where(LoopStep.job_id == job_id))
    if loop_id is None:
        return
    session.flush()
    loop = lock(session, loop_id)
    if loop.status == JobStatus.CANCELLING:
        settle_cancel(session, loop)
    else:
        promise_advance(session, loop)


def promise_advance(session: Session, loop: Job) -> None:
    """Promise to advance a locked loop or comparison, unless that waits already.

    A paused one advances when it resumes.
    """
    if loop.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
        return
    phase = FIRST_PHASE[JobKind(loop.kind)]
    promised = select(Shard).where(Shard.job_id == loop.id, Shard.phase == phase)
    if session.scalar(promised.where(Shard.state == ShardState.READY).limit(1)) is None:
        count = session.scalar(select(func.count()).select_from(promised.subquery())) or 0
        insert_shards(session, loop, [ShardPlan(phase, count, 0)])


def is_terminal(job: Job) -> bool:
    """Whether nothing will change any more."""
    return job.status in TERMINAL


def fail(session: Session, job: Job, code: str, detail: str) -> None:
    """End a locked job with the reason; its waiting shards are cancelled."""
    job.error = {"code": code, "detail": detail}
    transition(session, job, JobStatus.FAILED, job.error)
    cancel_waiting_shards(session, job.id)


def expire(session: Session, job: Job, detail: str) -> None:
    """End a locked job that took too long; its running shards stop at their next heartbeat."""
    job.error = {"code": "job_expired", "detail": detail}
    transition(session, job, JobStatus.EXPIRED, job.error)
    cancel_waiting_shards(session, job.id)


def request_cancel(session: Session, tenant_id: str, job_id: str, kind: JobKind) -> Job:
    """Ask a job to stop: idempotent while it has not ended, Conflict after."""
    get(session, tenant_id, job_id, kind)
    job = lock(session, job_id)
    if is_terminal(job):
        raise Conflict(f"{kind} {job_id} is already {job.status}: it cannot be cancelled", code="job_ended")
    if not job.cancel_requested:
        job.cancel_requested = True
        transition(session, job, JobStatus.CANCELLING)
        cancel_waiting_shards(session, job.id)
        settle_cancel(session, job)
    session.flush()
    session.refresh(job)
    return job


def cancel_waiting_shards(session: Session, job_id: str) -> None:
    """No worker will start on the rest of the job."""
    session.execute(
        update(Shard)
        .where(Shard.job_id == job_id, Shard.state == ShardState.READY)
        .values(state=ShardState.CANCELLED, finished_at=func.clock_timestamp())
    )


def settle_cancel(session: Session, job: Job) -> None:
    """A cancelling job whose last running shard, or step, has stopped is cancelled."""
    if job.status != JobStatus.CANCELLING:
        return
    running = select(Shard.id).where(Shard.job_id == job.id, Shard.state == ShardState.RUNNING)
    steps = select(LoopStep.job_id).join(Job, Job.id == LoopStep.job_id)
    goes_on = steps.where(LoopStep.loop_id == job.id, Job.status.not_in(TERMINAL))
    if not any(session.scalar(query.limit(1)) for query in (running, goes_on)):
        transition(session, job, JobStatus.CANCELLED)


def events(session: Session, job_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
    """Events with a sequence above `after`, in order."""
    query = select(Event).where(Event.job_id == job_id, Event.sequence > after)
    return list(session.scalars(query.order_by(Event.sequence).limit(limit)))
