"""Jobs that are no more: with their shards, events, deliveries and the rounds of a loop."""

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from store.errors import Conflict
from store.jobs import lifecycle as jobs
from store.tables import uses
from store.tables.accounts import WebhookDelivery
from store.tables.jobs import Event, Job, Shard
from store.tables.loops import LoopStep, Round
from store.tables.states import TERMINAL, JobKind


def remove(session: Session, tenant_id: str, job_id: str, kind: JobKind) -> None:
    """Delete a job that has ended; its files are swept.

    Raises NotFound; Conflict while it goes on, and while an open job, a model or a loop needs it.
    """
    job = jobs.get(session, tenant_id, job_id, kind)
    if job.status not in TERMINAL:
        detail = f"{kind} {job_id} is {job.status}: cancel it, and wait until it has ended"
        raise Conflict(detail, code="not_ended")
    uses.take(session, kind, tenant_id, job_id)
    try:
        with session.begin_nested():
            remove_rows(session, job_id)
    except IntegrityError:
        what = (
            "the model that it made"
            if kind == JobKind.TRAINING
            else "the loop or comparison that it is a step of"
        )
        detail = f"{kind} {job_id} is needed by {what}: delete that first"
        raise Conflict(detail, code=f"{kind}_in_use") from None


def remove_rows(session: Session, job_id: str) -> None:
    """Delete the job's rows; raises IntegrityError where another row needs them."""
    for table in (Event, Shard, WebhookDelivery):
        session.execute(delete(table).where(table.job_id == job_id))
    for part in (LoopStep, Round):
        session.execute(delete(part).where(part.loop_id == job_id))
    session.execute(delete(Job).where(Job.id == job_id))
