"""Jobs that measure a model on held-out examples."""

import orjson
from fastapi import Response
from sqlalchemy.orm import Session

from service.http.media import NDJSON
from service.http.parameters import ResourceId
from service.intake.inputs import given_records, stored_target
from service.jobs import pairs
from service.jobs.names import known_model
from service.jobs.results import completed, scores
from service.jobs.routes import job_routes
from service.jobs.start import Starts
from service.models import responses
from service.models.requests import EvaluationRequest
from service.services import Services, State, TenantId
from store.errors import Invalid
from store.jobs import lifecycle as jobs
from store.jobs import submissions
from store.jobs.requests import EvaluationNames, EvaluationWork
from store.tables.jobs import Job
from store.tables.states import JobKind

router = job_routes(JobKind.EVALUATION, "evaluations", responses.Evaluation)

SCORES = {
    "type": "string",
    "description": "One JSON object a line: an example and its numbers, null where there is none.",
}


@router.post("", status_code=202, response_model=responses.Evaluation)
def create(*, body: EvaluationRequest, state: Services, tenant_id: TenantId, start: Starts) -> Response:
    """Start an evaluation. Records become a target, the same one where they come again."""
    if body.tasks is not None and state.settings.task_folder is None:
        raise Invalid(
            f"tasks is {body.tasks!r:.60}, but lm-eval's tasks are not offered here: send their questions as "
            "records with choices, or have the operator set EVOSELECT_TASK_FOLDER",
            code="named_tasks_unavailable",
            pointer="/tasks",
        )
    rows = given_records(state, tenant_id, inline=body.records, file_id=body.file_id, layout=body.layout)

    def store(session: Session) -> str:
        model = known_model(session, state, tenant_id, body.model, pointer="/model")
        if body.tasks is not None:
            asked = EvaluationWork(model=model, spec=body.spec, tasks=tuple(body.tasks), limit=body.limit)
        else:
            target_id = body.target_id or stored_target(session, state, tenant_id, rows)
            asked = EvaluationWork(model=model, spec=body.spec, target_id=target_id)
        label = submissions.Label(body.name, body.metadata, body.priority)
        return submissions.evaluation(session, tenant_id, asked, label).id

    return start.run(JobKind.EVALUATION, body, store)


@router.get("/{job_id}/compare/{other_id}")
def compare(
    job_id: ResourceId, other_id: ResourceId, state: Services, tenant_id: TenantId
) -> responses.EvaluationComparison:
    """Two models on the same examples, question by question: differences from the first to the second."""
    with state.database.transaction() as session:
        jobs.get(session, tenant_id, other_id, JobKind.EVALUATION)  # before the first one's status is told
    first, second = (_completed(state, tenant_id, name) for name in (job_id, other_id))
    asked = [EvaluationNames.of(job.request, job.id) for job in (first, second)]
    examples = [one.examples for one in asked]
    if examples[0] != examples[1]:
        raise Invalid(
            f"{job_id} measured {examples[0]}, {other_id} {examples[1]}: only evaluations on the same "
            "examples can be paired",
            code="different_examples",
        )
    pair = pairs.paired_differences if asked[0].tasks is None else pairs.paired_tasks
    found = pair(*(scores(state, job) for job in (first, second)))
    return responses.EvaluationComparison(
        object="evaluation.comparison",
        evaluations=(job_id, other_id),
        models=(asked[0].model, asked[1].model),
        differences=found,
    )


@router.get(
    "/{job_id}/scores",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {NDJSON: {"schema": SCORES}}}},
)
def example_scores(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """The numbers of each example, or of each question of named tasks, as lines in their order."""
    rows = scores(state, _completed(state, tenant_id, job_id))
    return Response(b"".join(orjson.dumps(row) + b"\n" for row in rows), media_type=NDJSON)


def _completed(state: State, tenant_id: str, job_id: str) -> Job:
    return completed(state, tenant_id, job_id, what="numbers", kind=JobKind.EVALUATION)
