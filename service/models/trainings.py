"""Jobs that train a LoRA adapter on a selection, a file, or all of a pool."""

from typing import TypedDict

from fastapi import Response
from sqlalchemy.orm import Session

from service.intake.inline import Rows
from service.intake.inputs import given_records, stored_target
from service.jobs.names import known_model
from service.jobs.routes import job_routes
from service.jobs.start import Starts
from service.models import responses
from service.models.requests import TrainingRequest
from service.services import Services, State, TenantId
from store.data import pools
from store.jobs import submissions
from store.jobs.requests import TrainingWork
from store.tables.states import JobKind


class Source(TypedDict, total=False):
    """Where the records of a training come from."""

    selection_id: str
    pool_id: str
    pool_version: int
    file_id: str
    examples_id: str


router = job_routes(JobKind.TRAINING, "trainings", responses.Training)


@router.post("", status_code=202, response_model=responses.Training)
def create(*, body: TrainingRequest, state: Services, tenant_id: TenantId, start: Starts) -> Response:
    """Start a training."""
    rows = given_records(state, tenant_id, inline=None, file_id=body.file_id, layout=body.layout)

    def store(session: Session) -> str:
        name = body.base_model or state.settings.default_model
        asked = TrainingWork(
            base_model=known_model(session, state, tenant_id, name, pointer="/base_model"),
            spec=body.spec,
            seed=body.seed,
            **_source(session, state, tenant_id, body, rows=rows),
        )
        label = submissions.Label(body.name, body.metadata, body.priority)
        most = state.settings.max_training_steps
        return submissions.training(session, tenant_id, asked, most_steps=most, label=label).id

    return start.run(JobKind.TRAINING, body, store)


def _source(session: Session, state: State, tenant_id: str, body: TrainingRequest, *, rows: Rows) -> Source:
    """What the body names: a selection, a pool at a version, or a file and the target that it becomes."""
    if body.selection_id is not None:
        return {"selection_id": body.selection_id}
    if body.pool_id is not None:
        pool = pools.get(session, tenant_id, body.pool_id)
        version = pool.version if body.pool_version is None else body.pool_version
        return {"pool_id": pool.id, "pool_version": version}
    return {"file_id": str(body.file_id), "examples_id": stored_target(session, state, tenant_id, rows)}
