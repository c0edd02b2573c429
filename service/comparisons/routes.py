"""Comparisons: which method to use, told by trainings on what each selects."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.orm import Session

from service.comparisons import responses
from service.comparisons.estimates import estimate
from service.comparisons.preparation import prepared
from service.comparisons.requests import ComparisonRequest
from service.http.parameters import ResourceId
from service.http.views import as_response
from service.jobs.routes import job_routes, load
from service.jobs.start import Starts
from service.services import Services, TenantId
from store.jobs import submissions
from store.loops import pauses
from store.tables.states import JobKind

router = job_routes(JobKind.COMPARISON, "comparisons", responses.MethodComparison)


@router.post(
    "",
    status_code=202,
    response_model=responses.MethodComparison,
    responses={
        200: {"model": responses.ComparisonEstimate, "description": "With validate_only: what it would cost."}
    },
)
def create(
    *,
    body: ComparisonRequest,
    state: Services,
    tenant_id: TenantId,
    start: Starts,
    validate_only: Annotated[
        bool, Query(description="Only check, and say what it would cost and could see.")
    ] = False,
) -> Response:
    """Start a comparison. Its `result` has the table so far, also while it runs."""

    def store(session: Session) -> str:
        asked = prepared(session, state, tenant_id, body).asked
        label = submissions.Label(body.name, body.metadata, body.priority)
        return submissions.comparison(session, tenant_id, asked, label).id

    if validate_only:
        with state.database.transaction() as session:
            start.require_quota(session, JobKind.COMPARISON)
            return as_response(estimate(prepared(session, state, tenant_id, body)))
    return start.run(JobKind.COMPARISON, body, store)


@router.post("/{job_id}/pause", response_model=responses.MethodComparison)
def pause(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Begin nothing further; steps that run go on to their end."""
    with state.database.transaction() as session:
        pauses.pause(session, tenant_id, job_id, JobKind.COMPARISON)
    return as_response(load(state, tenant_id, job_id, JobKind.COMPARISON))


@router.post("/{job_id}/resume", response_model=responses.MethodComparison)
def resume(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Go on with a paused comparison."""
    with state.database.transaction() as session:
        pauses.resume(session, tenant_id, job_id, JobKind.COMPARISON)
    return as_response(load(state, tenant_id, job_id, JobKind.COMPARISON))
