"""validate_only: everything that starting a job checks, and what it would cost, with nothing left behind."""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy.orm import Session

from service.services import State
from store.jobs import costs
from store.jobs.requests import SelectionWork
from store.kit.json import Json
from store.tables.jobs import Job


def estimate(state: State, store: Callable[[Session], str]) -> Json:
    """The cost of the selection that `store` makes; its transaction is undone.

    Files that inline records became stay until the sweep for files that no row names.
    """
    found: Json = {}
    try:
        with state.database.transaction() as session:
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
