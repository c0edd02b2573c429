"""Pauses of loops and comparisons: nothing further begins, and goes on from the rows."""

from sqlalchemy.orm import Session

from store.errors import Conflict
from store.jobs import lifecycle as jobs
from store.loops import steps as loop_steps
from store.tables.jobs import Job
from store.tables.states import TERMINAL, JobKind, JobStatus


def pause(session: Session, tenant_id: str, loop_id: str, kind: JobKind = JobKind.LOOP) -> Job:
    """Begin nothing further; what runs goes on to its end. Conflict where the loop, or comparison, ended."""
    jobs.get(session, tenant_id, loop_id, kind)
    job = jobs.lock(session, loop_id)
    if job.status != JobStatus.PAUSED:
        _require_open(job, "paused")
        jobs.transition(session, job, JobStatus.PAUSED)
        jobs.cancel_waiting_shards(session, loop_id)
    return _refreshed(session, job)


def resume(session: Session, tenant_id: str, loop_id: str, kind: JobKind = JobKind.LOOP) -> Job:
    """Go on with a paused loop or comparison; Conflict where it has ended."""
    jobs.get(session, tenant_id, loop_id, kind)
    job = jobs.lock(session, loop_id)
    if job.status == JobStatus.PAUSED:
        jobs.transition(session, job, JobStatus.RUNNING)
        loop_steps.restart_generator(session, loop_id)
        jobs.promise_advance(session, job)  # whatever a generator does: a step may have failed meanwhile
    else:
        _require_open(job, "resumed")
    return _refreshed(session, job)


def _require_open(job: Job, what: str) -> None:
    if job.status in TERMINAL or job.cancel_requested:
        raise Conflict(f"{job.kind} {job.id} is {job.status}: it cannot be {what}", code="job_ended")


def _refreshed(session: Session, job: Job) -> Job:
    session.flush()
    session.refresh(job)
    return job
