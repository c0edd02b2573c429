"""Jobs that measure a model on held-out examples."""

from typing import Any

from fastapi import Response
from sqlalchemy.orm import Session

from service import answers, comparing
from service import data_answers as data
from service.idempotency import OnceOnly
from service.results import completed
from service.room import require_room_for_job
from service.routes.common import ResourceId
from service.routes.jobs import accepted, job_routes, load
from service.routes.naming import given_records, known_model, stored_target
from service.schemas import EvaluationRequest
from service.state import Services, State, TenantId
from store import jobs, submissions
from store.errors import Invalid
from store.models import Job
from store.states import JobKind

router = job_routes(JobKind.EVALUATION, "evaluations")


@router.post("", status_code=202, response_model=answers.Job)
def create(
    body: EvaluationRequest, response: Response, state: Services, tenant_id: TenantId, once: OnceOnly
) -> dict[str, Any]:
    """Start an evaluation. Records become a target of their own."""
    if body.tasks is not None:
        raise Invalid(
            f"tasks is {body.tasks!r:.60}: named tasks of lm-eval are not offered, because workers download "
            "nothing; send their questions as records with choices",
            code="named_tasks_unavailable",
            pointer="/tasks",
        )
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


@router.get("/{job_id}/compare/{other_id}", response_model=data.EvaluationComparison)
def compare(job_id: ResourceId, other_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """Two models on the same examples, question by question: differences from the first to the second."""
    with state.database.transaction() as session:
        jobs.get(session, tenant_id, other_id, JobKind.EVALUATION)  # before the first one's status is told
    first, second = (_completed(state, tenant_id, name) for name in (job_id, other_id))
    if first.request["target_id"] != second.request["target_id"]:
        raise Invalid(
            f"{job_id} measured target {first.request['target_id']}, {other_id} target "
            f"{second.request['target_id']}: only evaluations on the same examples can be paired",
            code="different_examples",
        )
    return {
        "object": "evaluation.comparison",
        "evaluations": [job_id, other_id],
        "models": [first.request["model"], second.request["model"]],
        "differences": comparing.paired_differences(*(_rows(state, job) for job in (first, second))),
    }


def _completed(state: State, tenant_id: str, job_id: str) -> Job:
    return completed(state, tenant_id, job_id, "numbers", JobKind.EVALUATION)


def _rows(state: State, job: Job) -> list[dict[str, Any]]:
    place = (job.result or {})["artifacts"]["rows"]
    rows: list[dict[str, Any]] = state.artifacts.get_table(place["path"], place["sha256"]).to_pylist()
    return rows
