"""Claim, heartbeat, fenced commit: how exactly one result of a shard is accepted, whatever dies."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from store import jobs, outbox, plans
from store.errors import LostLease
from store.models import Job, Shard
from store.states import TERMINAL, JobStatus, ShardState


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker holds: the shard, its work, and the token that fences its writes."""

    shard_id: str
    job_id: str
    tenant_id: str
    phase: str
    token: int
    attempt: int
    payload: dict[str, Any]
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pulse:
    """The answer to a heartbeat; a job that ended without this shard counts as cancelled."""

    ours: bool
    cancel_requested: bool


def _lease(seconds: float) -> Any:
    return func.clock_timestamp() + timedelta(seconds=seconds)


def claim(session: Session, shard_id: str, *, worker: str, lease: float, max_attempts: int) -> Claim | None:
    """Take the shard when it waits or its lease ran out; None when there is nothing to take.

    Token and attempt grow with every claim. A shard at its last attempt fails its job instead.
    """
    free = or_(
        Shard.state == ShardState.READY,
        (Shard.state == ShardState.RUNNING) & (Shard.lease_until < func.clock_timestamp()),
    )
    job_id = session.scalar(select(Shard.job_id).where(Shard.id == shard_id, free))
    if job_id is None:
        return None
    job = jobs.lock(session, job_id)
    shard = session.scalar(select(Shard).where(Shard.id == shard_id, free).with_for_update())
    if shard is None or jobs.is_terminal(job) or job.cancel_requested:
        return None
    if shard.attempt >= max_attempts:
        _give_up(session, job, shard)
        return None
    if shard.state == ShardState.RUNNING:
        shard.deaths += 1
    return _take(session, job, shard, worker, lease)


def _take(session: Session, job: Job, shard: Shard, worker: str, lease: float) -> Claim:
    shard.state = ShardState.RUNNING
    shard.worker = worker
    shard.token += 1
    shard.attempt += 1
    shard.lease_until = _lease(lease)
    if shard.started_at is None:
        shard.started_at = func.clock_timestamp()
    if job.status == JobStatus.QUEUED:
        jobs.transition(session, job, JobStatus.RUNNING)
    jobs.record_event(
        session,
        job,
        "shard.claimed",
        {"phase": shard.phase, "index": shard.index, "attempt": shard.attempt, "worker": worker},
    )
    session.flush()
    return Claim(
        shard.id, job.id, job.tenant_id, shard.phase, shard.token, shard.attempt, shard.payload, job.request
    )


def _give_up(session: Session, job: Job, shard: Shard) -> None:
    shard.state = ShardState.FAILED
    shard.finished_at = func.clock_timestamp()
    detail = (
        f"shard {shard.index} of phase {shard.phase} was tried {shard.attempt} times and its worker was lost "
        f"{shard.deaths} times (last fault: {shard.last_fault or 'none reported'}): "
        "mend that, then start the job again"
    )
    jobs.fail(session, job, "shard_poisoned", detail)


def heartbeat(session: Session, claim: Claim, *, lease: float, rows_done: int) -> Pulse:
    """Renew the lease and report progress; `ours` is False when another worker took the shard."""
    changed = session.execute(
        update(Shard)
        .where(Shard.id == claim.shard_id, Shard.token == claim.token, Shard.state == ShardState.RUNNING)
        .values(lease_until=_lease(lease), rows_done=rows_done)
        .returning(Shard.id)
    ).scalar_one_or_none()
    stop = session.scalar(
        select(Job.cancel_requested | Job.status.in_(TERMINAL)).where(Job.id == claim.job_id)
    )
    return Pulse(ours=changed is not None, cancel_requested=bool(stop))


def _owned(session: Session, claim: Claim) -> tuple[Job, Shard]:
    """The locked job and shard, or LostLease: the fence that every commit passes."""
    job = jobs.lock(session, claim.job_id)
    shard = session.scalar(
        select(Shard)
        .where(Shard.id == claim.shard_id, Shard.token == claim.token, Shard.state == ShardState.RUNNING)
        .with_for_update()
    )
    if shard is None:
        raise LostLease(f"shard {claim.shard_id} no longer belongs to token {claim.token}")
    return job, shard


def commit(
    session: Session, claim: Claim, result: dict[str, Any], job_result: dict[str, Any] | None = None
) -> None:
    """Accept the shard's result; the last finisher starts the next phase or completes the job.

    Raises LostLease when the token is not ours: the caller then deletes what it wrote.
    """
    job, shard = _owned(session, claim)
    shard.state = ShardState.DONE
    shard.result = result
    shard.rows_done = shard.rows_total
    shard.lease_until = None
    shard.finished_at = func.clock_timestamp()
    session.flush()
    jobs.record_event(session, job, "shard.done", {"phase": shard.phase, "index": shard.index})
    if job_result is not None:
        job.result = job_result
    if job.cancel_requested:
        jobs.settle_cancel(session, job)
    elif not jobs.is_terminal(job) and not _unfinished(session, claim):
        _advance(session, job, claim.phase)


def _unfinished(session: Session, claim: Claim) -> bool:
    return (
        session.scalar(
            select(
                select(Shard)
                .where(
                    Shard.job_id == claim.job_id, Shard.phase == claim.phase, Shard.state != ShardState.DONE
                )
                .exists()
            )
        )
        or False
    )


def _advance(session: Session, job: Job, phase: str) -> None:
    rows = int(session.scalar(select(func.sum(Shard.rows_total)).where(Shard.job_id == job.id)) or 0)
    following = plans.next_phase(phase, rows)
    if not following:
        jobs.transition(session, job, JobStatus.COMPLETED)
        return
    job.phase = following[0].phase
    jobs.insert_shards(session, job, following)
    jobs.record_event(session, job, "phase.started", {"phase": job.phase})


def fail(session: Session, claim: Claim, code: str, detail: str) -> None:
    """The shard cannot succeed (bad input, a bug): its job fails with the reason."""
    job, shard = _owned(session, claim)
    shard.state = ShardState.FAILED
    shard.finished_at = func.clock_timestamp()
    session.flush()
    if job.cancel_requested:
        jobs.settle_cancel(session, job)
    elif not jobs.is_terminal(job):
        jobs.fail(session, job, code, detail)


def release(session: Session, claim: Claim, reason: str) -> None:
    """Give the shard back after a passing fault or a shutdown; the next claim starts it again."""
    job, shard = _owned(session, claim)
    shard.state = ShardState.READY
    shard.last_fault = reason
    shard.lease_until = None
    shard.kicked_at = func.clock_timestamp()
    jobs.record_event(
        session, job, "shard.released", {"phase": shard.phase, "index": shard.index, "reason": reason}
    )
    outbox.ring(session, shard)


def reopen(session: Session, claim: Claim, shard_ids: list[str]) -> None:
    """The input is damaged: the shards that made it run again, and this phase starts anew after them.

    Their attempts count on, so that storage which damages every file fails the job in the end.
    """
    job, shard = _owned(session, claim)
    session.delete(shard)
    session.flush()
    for damaged in session.scalars(select(Shard).where(Shard.id.in_(shard_ids), Shard.job_id == job.id)):
        damaged.state = ShardState.READY
        damaged.rows_done = 0
        damaged.last_fault = f"its result was found damaged by phase {claim.phase}"
        damaged.kicked_at = func.clock_timestamp()
        job.phase = damaged.phase
        jobs.record_event(session, job, "shard.reopened", {"phase": damaged.phase, "index": damaged.index})
        outbox.ring(session, damaged)


def stop(session: Session, claim: Claim) -> None:
    """The shard stopped because its job was cancelled."""
    job, shard = _owned(session, claim)
    shard.state = ShardState.CANCELLED
    shard.finished_at = func.clock_timestamp()
    session.flush()
    jobs.settle_cancel(session, job)


def of_phase(session: Session, job_id: str, phase: str) -> list[Shard]:
    """All shards of one phase, in order."""
    query = select(Shard).where(Shard.job_id == job_id, Shard.phase == phase)
    return list(session.scalars(query.order_by(Shard.index)))
