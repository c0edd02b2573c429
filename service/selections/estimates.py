"""validate_only: everything that starting a job checks, and what it would cost, with nothing left behind."""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy.orm import Session

from service.jobs.start import Start
from store.jobs import costs
from store.jobs.requests import SelectionWork
from store.kit.json import Json
from store.tables.jobs import Job
from store.tables.states import JobKind


def estimate(start: Start, store: Callable[[Session], str]) -> Json:
    """The cost of the selection that `store` makes; its transaction is undone.

    Files that inline records became stay until the sweep for files that no row names.
    """
    state = start.state
    found: Json = {}
    try:
        with state.database.transaction() as session:
            start.require_quota(session, JobKind.SELECTION)
            job = session.get_one(Job, store(session))
            source = state.models.get(SelectionWork.of(job.request, job.id).model)
            parameters = source.parameters if source else 0
            cost = costs.of_selection(
                session, state.artifacts, job, parameters, block_rows=state.settings.block_rows
            )
            found = {"object": "selection.estimate", "request": job.request, **asdict(cost)}
            raise _UndoError
    except _UndoError:
        return found


class _UndoError(Exception):
    """Nothing is to be kept."""
