"""A look at a job that is made of other jobs: a loop or a comparison."""

from sqlalchemy.orm import Session

from store.comparisons import advance as comparisons
from store.jobs import lifecycle as jobs
from store.loops import advance as loops
from store.settings import Settings
from store.tables.states import JobKind


def look(session: Session, settings: Settings, job_id: str) -> None:
    """Begin what is due, end what is over, in the transaction that ends the look's shard."""
    compares = jobs.lock(session, job_id).kind == JobKind.COMPARISON
    (comparisons if compares else loops).advance(session, settings, job_id)
