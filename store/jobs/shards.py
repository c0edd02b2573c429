"""Heartbeat, fenced commit, giving back: how exactly one result of a shard is accepted, whatever dies.

                    claim                 commit
    (new) -> ready --------> running ------------------> done
               ^                |  \\-> failed | cancelled
               +----------------+
          released | handed back | gave way | lost (the sweeper, when the lease ran out)

Claims are in `store.jobs.claims`. Every change locks the job's row first, so the changes of one job happen
one after another and its events have no gap. The token grows with every claim and every loss; a write counts
only where the token is still the writer's. Only the database's clock counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from store.artifacts import StoredFile
from store.errors import Invalid, LostLease
from store.jobs import claims, outbox, plans
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim
from store.jobs.requests import featured
from store.tables.jobs import Job, Shard
from store.tables.json_columns import storable
from store.tables.states import MADE_OF_JOBS, TERMINAL, JobKind, JobStatus, ShardState

LONGEST_RETRY_SECONDS = 300.0  # between two attempts at most


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The answer to a heartbeat; a job that ended without this shard counts as cancelled."""

    ours: bool
    cancel_requested: bool


_LOCK = text("select status, cancel_requested from jobs where id = :job_id for update")

_FINISH = text("""
with finished as (
    update shards set state = 'done', result = :result, checkpoint = null, rows_done = rows_total,
        lease_until = null, finished_at = clock_timestamp()
    where id = :shard_id and token = :token and state = 'running'
    returning phase, index, token
), numbered as (
    update jobs set last_event = last_event + 1 from finished where jobs.id = :job_id returning last_event
), told as (
    insert into events (job_id, sequence, type, data)
    select :job_id, numbered.last_event, 'shard.done', jsonb_build_object(
        'phase', phase, 'index', index, 'token', token)
    from numbered, finished
)
select exists (select from finished) as accepted, exists (
    select from shards where job_id = :job_id and phase = :phase and state <> 'done' and state <> 'failed'
        and id <> :shard_id
) as unfinished
""").bindparams(bindparam("result", type_=JSONB))


def heartbeat(session: Session, claim: Claim, *, rows_done: int | None) -> HeartbeatReply:
    """Renew the lease and report progress, if there is any; `ours` is False when the shard was lost to us."""
    progress = {} if rows_done is None else {"rows_done": rows_done}
    changed = session.execute(
        update(Shard)
        .where(Shard.id == claim.shard_id, Shard.token == claim.token, Shard.state == ShardState.RUNNING)
        .values(lease_until=func.clock_timestamp() + timedelta(seconds=claim.offer.lease_seconds), **progress)
        .returning(Shard.id)
    ).scalar_one_or_none()
    stop = session.scalar(
        select(Job.cancel_requested | Job.status.in_(TERMINAL)).where(Job.id == claim.job_id)
    )
    return HeartbeatReply(ours=changed is not None, cancel_requested=bool(stop))


def commit(
    session: Session,
    claim: Claim,
    result: Mapping[str, object],
    job_result: Mapping[str, object] | None = None,
    *,
    go_on: bool = False,
) -> Claim | None:
    """Accept the shard's result; the last finisher starts the next phase or completes the job.

    With `go_on`, take the next shard of the same job too, where it is that job's turn, and return it.
    Raises LostLease when the token is not ours.
    """
    job = session.execute(_LOCK, {"job_id": claim.job_id}).one()
    names = {"shard_id": claim.shard_id, "job_id": claim.job_id, "phase": claim.phase}
    done = session.execute(_FINISH, {**names, "token": claim.token, "result": result}).one()
    if not done.accepted:
        raise _lost(claim)
    if job_result is not None:
        session.execute(update(Job).where(Job.id == claim.job_id).values(result=job_result))
    if job.cancel_requested:
        jobs.settle_cancel(session, jobs.lock(session, claim.job_id))
    elif job.status not in TERMINAL and not done.unfinished:
        _advance(session, jobs.lock(session, claim.job_id), claim.phase)
    elif job.status not in TERMINAL and go_on:
        return claims.go_on(session, claim)
    return None


def save_checkpoint(session: Session, claim: Claim, checkpoint: StoredFile) -> StoredFile | None:
    """Leave a file for a later attempt to go on from; returns what was left before.

    Raises LostLease when the token is not ours.
    """
    shard = _owned(session, claim)[1]
    before, shard.checkpoint = shard.checkpoint, checkpoint.stored()
    return None if before is None else StoredFile.model_validate(before)


def record_event(session: Session, claim: Claim, event: str, data: Mapping[str, object]) -> None:
    """Add an event about the work on a shard; raises LostLease when the token is not ours."""
    jobs.record_event(session, _owned(session, claim)[0], event, data)


def _advance(session: Session, job: Job, phase: str) -> None:
    if job.kind in MADE_OF_JOBS:
        return  # its own shards end it
    open_states = (ShardState.READY, ShardState.RUNNING)
    others = select(Shard.id).where(Shard.job_id == job.id, Shard.state.in_(open_states))
    if session.scalar(others.limit(1)) is not None:
        return  # those of a phase that was reopened, or of the one that found the damage: the last goes on
    kind = JobKind(job.kind)
    first = _rows(session, job.id, plans.FIRST_PHASE[kind])
    following = plans.next_phase(kind, phase, first or _rows(session, job.id, phase))
    if not following:
        jobs.transition(session, job, JobStatus.COMPLETED)
        return
    job.phase = following[0].phase
    jobs.insert_shards(session, job, following)
    jobs.record_event(session, job, "phase.started", {"phase": job.phase})


def _rows(session: Session, job_id: str, phase: str) -> int:
    """Of all shards of a phase; 0 where there is none."""
    own = (Shard.job_id == job_id, Shard.phase == phase)
    return int(session.scalar(select(func.sum(Shard.rows_total)).where(*own)) or 0)


def _lost(claim: Claim) -> LostLease:
    return LostLease(f"shard {claim.shard_id} no longer belongs to token {claim.token}")


def _owned(session: Session, claim: Claim) -> tuple[Job, Shard]:
    """The locked job and shard, or LostLease: the fence that every write passes."""
    job = jobs.lock(session, claim.job_id)
    shard = session.scalar(
        select(Shard)
        .where(Shard.id == claim.shard_id, Shard.token == claim.token, Shard.state == ShardState.RUNNING)
        .with_for_update()
    )
    if shard is None:
        raise _lost(claim)
    return job, shard


def _end(shard: Shard, state: ShardState) -> None:
    shard.state = state
    shard.lease_until = None
    shard.finished_at = func.clock_timestamp()


def fail(session: Session, claim: Claim, code: str, detail: str) -> None:
    """The shard cannot succeed (bad input, a bug): its job fails with the reason."""
    job, shard = _owned(session, claim)
    _end(shard, ShardState.FAILED)
    session.flush()
    if job.cancel_requested:
        jobs.settle_cancel(session, job)
    elif not jobs.is_terminal(job):
        jobs.fail(session, job, code, detail)


def stop(session: Session, claim: Claim) -> None:
    """The shard stopped because its job was cancelled."""
    job, shard = _owned(session, claim)
    _end(shard, ShardState.CANCELLED)
    session.flush()
    jobs.settle_cancel(session, job)


def hand_back(session: Session, claim: Claim) -> None:
    """Give the shard back because the worker is asked to end; this counts against nobody."""
    job, shard = _owned(session, claim)
    _again(session, job, shard, event="shard.released", reason="the worker was asked to end")


def give_way(session: Session, claim: Claim) -> None:
    """Give the shard back because others wait; it goes on from what it has kept once they have had a turn."""
    job, shard = _owned(session, claim)
    claims.served(session, shard.queue, shard.tenant_id)
    _again(
        session,
        job,
        shard,
        event="shard.released",
        reason="others wait: it goes on later from what it has kept",
    )


def wait_for_disk(session: Session, claim: Claim, reason: str, delay_seconds: float) -> None:
    """Give the shard back because the disk is full, which is not its fault."""
    job, shard = _owned(session, claim)
    shard.last_fault = reason
    _again(session, job, shard, event="shard.released", reason=reason, delay_seconds=delay_seconds)


def release(
    session: Session, claim: Claim, reason: str, *, retry_delay_seconds: float, max_attempts: int
) -> None:
    """Give the shard back after a passing fault; it waits, twice as long after each further fault."""
    job, shard = _owned(session, claim)
    shard.faults += 1
    shard.last_fault = storable(reason)
    if not _give_up(session, job, shard, max_attempts):
        delay = min(retry_delay_seconds * 2 ** (shard.faults - 1), LONGEST_RETRY_SECONDS)
        _again(session, job, shard, event="shard.released", reason=reason, delay_seconds=delay)


def lose(session: Session, shard_id: str, *, max_attempts: int) -> bool:
    """Take a shard from a worker whose lease ran out, and fence it; False when nothing was to be taken."""
    job_id = session.scalar(select(Shard.job_id).where(Shard.id == shard_id))
    if job_id is None:
        return False
    job = jobs.lock(session, job_id)
    silent = or_(Shard.lease_until.is_(None), Shard.lease_until < func.clock_timestamp())
    query = select(Shard).where(Shard.id == shard_id, Shard.state == ShardState.RUNNING, silent)
    shard = session.scalar(query.with_for_update())
    if shard is None:
        return False
    shard.token += 1
    shard.deaths += 1
    if job.cancel_requested or jobs.is_terminal(job):
        _end(shard, ShardState.CANCELLED)
        session.flush()
        jobs.settle_cancel(session, job)
    elif not _give_up(session, job, shard, max_attempts):
        _again(session, job, shard, event="shard.lost", reason=f"its worker {shard.worker} fell silent")
    return True


def reopen(session: Session, claim: Claim, shard_ids: list[str], *, max_attempts: int) -> None:
    """The input is damaged: the shards that made it run again, and this phase starts anew after them.

    Their faults count on, so that storage which damages every file fails the job in the end.
    """
    job, shard = _owned(session, claim)
    session.delete(shard)
    session.flush()
    done = (Shard.id.in_(shard_ids), Shard.job_id == job.id, Shard.state == ShardState.DONE)
    for damaged in session.scalars(select(Shard).where(*done)):  # others run again already
        damaged.faults += 1
        damaged.rows_done = 0
        damaged.last_fault = f"its result was found damaged by phase {claim.phase}"
        if jobs.is_terminal(job):
            return
        if _worn_out(job, damaged, max_attempts):
            _poison(session, job, damaged)
            return
        job.phase = damaged.phase
        _again(session, job, damaged, event="shard.reopened", reason=damaged.last_fault)


def ask(session: Session, claim: Claim, wanted: Sequence[plans.ShardPlan]) -> None:
    """The phase cannot go on before these shards are done: it starts anew after them.

    They take the place of earlier ones of their phase and index.
    """
    job, shard = _owned(session, claim)
    session.delete(shard)
    session.flush()
    if job.cancel_requested:
        jobs.settle_cancel(session, job)
    if jobs.is_terminal(job) or job.cancel_requested:
        return
    places = [(plan.phase, plan.index) for plan in wanted]
    former = (Shard.job_id == job.id, tuple_(Shard.phase, Shard.index).in_(places))
    session.execute(delete(Shard).where(*former))
    job.phase = wanted[0].phase
    asked = {"phase": job.phase, "shards": [plan.index for plan in wanted]}
    jobs.record_event(session, job, "phase.started", asked)
    jobs.insert_shards(session, job, list(wanted))


def _again(
    session: Session, job: Job, shard: Shard, *, event: str, reason: str, delay_seconds: float = 0.0
) -> None:
    """The shard waits again, unless its job ended or is to be cancelled."""
    if job.cancel_requested or jobs.is_terminal(job):
        _end(shard, ShardState.CANCELLED)
        session.flush()
        jobs.settle_cancel(session, job)
        return
    shard.state = ShardState.READY
    shard.lease_until = None
    shard.available_at = func.clock_timestamp() + timedelta(seconds=delay_seconds)
    data = {"phase": shard.phase, "index": shard.index, "reason": reason, "delay": delay_seconds}
    jobs.record_event(session, job, event, data)
    outbox.notify(session, shard.queue)


def _worn_out(job: Job, shard: Shard, max_attempts: int) -> bool:
    return shard.deaths + shard.faults >= max_attempts and not (jobs.is_terminal(job) or job.cancel_requested)


def _give_up(session: Session, job: Job, shard: Shard, max_attempts: int) -> bool:
    """Whether the shard has had enough attempts; then its job goes on without it where it may, or fails."""
    if not _worn_out(job, shard, max_attempts):
        return False
    if _dispensable(job, shard):
        _leave_out(session, job, shard)
    else:
        _poison(session, job, shard)
    return True


def _dispensable(job: Job, shard: Shard) -> bool:
    """Whether the job goes on without it: a shard of candidates, where the request allows that."""
    if shard.phase != "features" or shard.payload.get("role") != "pool":
        return False
    try:
        return featured(job.request, job.id).features.allow_partial
    except Invalid:  # it fails in any case
        return False


def _leave_out(session: Session, job: Job, shard: Shard) -> None:
    _end(shard, ShardState.FAILED)
    session.flush()
    data = {"phase": shard.phase, "index": shard.index, "reason": _history(shard)}
    jobs.record_event(session, job, "shard.left_out", data)
    open_states = (ShardState.READY, ShardState.RUNNING)
    others = select(Shard.id).where(
        Shard.job_id == job.id, Shard.phase == shard.phase, Shard.state.in_(open_states)
    )
    if session.scalar(others.limit(1)) is None:
        _advance(session, job, shard.phase)


def _poison(session: Session, job: Job, shard: Shard) -> None:
    _end(shard, ShardState.FAILED)
    session.flush()
    detail = (
        f"shard {shard.index} of phase {shard.phase} {_history(shard)}: mend that, then start the job again"
    )
    jobs.fail(session, job, "shard_poisoned", detail)


def _history(shard: Shard) -> str:
    return (
        f"failed {shard.faults} times and its worker was lost {shard.deaths} times "
        f"(last fault: {shard.last_fault or 'none reported'})"
    )


def of_phase(session: Session, job_id: str, phase: str) -> list[Shard]:
    """All shards of one phase, in order."""
    query = select(Shard).where(Shard.job_id == job_id, Shard.phase == phase)
    return list(session.scalars(query.order_by(Shard.index)))


def by_id(session: Session, shard_ids: Sequence[str]) -> list[Shard]:
    """These shards, in the order of the ids."""
    return [session.get_one(Shard, shard_id) for shard_id in shard_ids]


def waiting(session: Session, tenant_id: str, queue: str, limit: int) -> int:
    """How many shards of a tenant wait in a queue, counted up to `limit`."""
    ready = select(Shard.id).where(
        Shard.queue == queue, Shard.tenant_id == tenant_id, Shard.state == ShardState.READY
    )
    return session.scalar(select(func.count()).select_from(ready.limit(limit).subquery())) or 0


def too_new(session: Session) -> dict[str, int]:
    """Per queue, how many waiting shards have a payload version that this release does not know."""
    rows = session.execute(
        select(Shard.queue, func.count().label("waiting"))
        .where(Shard.state == ShardState.READY, Shard.version > plans.PAYLOAD_VERSION)
        .group_by(Shard.queue)
    )
    return {row.queue: row.waiting for row in rows}
