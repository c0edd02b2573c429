"""Jobs that measure a model on held-out examples."""

from typing import Any

from fastapi import Response
from sqlalchemy.orm import Session

from service import answers
from service.idempotency import OnceOnly
from service.room import require_room_for_job
from service.routes.jobs import accepted, job_routes, load
from service.routes.naming import given_records, known_model, stored_target
from service.schemas import EvaluationRequest
from service.state import Services, TenantId
from store import submissions
from store.states import JobKind

router = job_routes(JobKind.EVALUATION, "evaluations")


@router.post("", status_code=202, response_model=answers.Job)
def create(
    body: EvaluationRequest, response: Response, state: Services, tenant_id: TenantId, once: OnceOnly
) -> dict[str, Any]:
    """Start an evaluation. Records become a target of their own."""
    records = given_records(state, tenant_id, body.records, body.file_id)

    def store(session: Session) -> str:
        require_room_for_job(session, state, tenant_id, JobKind.EVALUATION)
        settings = {
            "model": known_model(session, state, tenant_id, body.model, "/model"),
            "spec": body.spec.model_dump(mode="json"),
        }
        target_id = body.target_id or stored_target(session, state, tenant_id, records)
        label = submissions.Label(body.name, body.metadata, body.priority)
        return submissions.evaluation(
            session, tenant_id, target_id=target_id, settings=settings, label=label
        ).id

    job = load(state, tenant_id, once.run(body, store), JobKind.EVALUATION)
    return accepted(response, "evaluations", job)
