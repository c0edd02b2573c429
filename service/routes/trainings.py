"""Jobs that train a LoRA adapter on a completed selection."""

from typing import Any

from fastapi import Response
from sqlalchemy.orm import Session

from service import answers
from service.idempotency import OnceOnly
from service.room import require_room_for_job
from service.routes.jobs import accepted, job_routes, load
from service.routes.naming import known_model
from service.schemas import TrainingRequest
from service.state import Services, TenantId
from store import submissions
from store.states import JobKind

router = job_routes(JobKind.TRAINING, "trainings")


@router.post("", status_code=202, response_model=answers.Job)
def create(
    body: TrainingRequest, response: Response, state: Services, tenant_id: TenantId, once: OnceOnly
) -> dict[str, Any]:
    """Start a training."""

    def store(session: Session) -> str:
        require_room_for_job(session, state, tenant_id, JobKind.TRAINING)
        name = body.base_model or state.settings.default_model
        settings = {
            "base_model": known_model(session, state, tenant_id, name, "/base_model"),
            "spec": body.spec.model_dump(mode="json"),
            "seed": body.seed,
        }
        label = submissions.Label(body.name, body.metadata, body.priority)
        job = submissions.training(
            session, tenant_id, selection_id=body.selection_id, settings=settings, label=label
        )
        return job.id

    job = load(state, tenant_id, once.run(body, store), JobKind.TRAINING)
    return accepted(response, "trainings", job)
