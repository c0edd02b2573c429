"""What selections, trainings and evaluations share: list, look, wait, cancel, events."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from service import views
from service.routes.common import DEFAULT_LIMIT, After, Limit, ResourceId
from service.state import Services, State, TenantId
from service.strict_json import StrictRoute
from store import jobs
from store.states import JobKind, JobStatus

MAX_WAIT = 60  # seconds that one request may be held
LOOK_SECONDS = 0.25  # between two looks at a job that somebody waits for
POLL_SECONDS = "2"  # Retry-After: how soon asking again makes sense


def job_routes(kind: JobKind, noun: str) -> APIRouter:
    """The routes of one kind of job below /v1/{noun}; creating one is the noun's own."""
    router = APIRouter(prefix=f"/v1/{noun}", route_class=StrictRoute, tags=[noun])

    @router.get("")
    def listing(
        state: Services,
        tenant_id: TenantId,
        after: After = None,
        limit: Limit = DEFAULT_LIMIT,
        status: Annotated[JobStatus | None, Query()] = None,
    ) -> dict[str, Any]:
        """All of them, newest first."""
        with state.database.transaction() as session:
            rows = jobs.listing(session, tenant_id, kind, after=after, limit=limit, status=status)
            return views.page(rows, limit, lambda row: views.job(session, row))

    @router.get("/{job_id}")
    async def retrieve(
        job_id: ResourceId,
        response: Response,
        state: Services,
        tenant_id: TenantId,
        wait: Annotated[float, Query(ge=0, le=MAX_WAIT)] = 0,
    ) -> dict[str, Any]:
        """One of them; with `wait`, as soon as it has ended or after so many seconds."""
        deadline = time.monotonic() + wait
        job = await run_in_threadpool(load, state, tenant_id, job_id, kind)
        while not job["done"] and (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            job = await run_in_threadpool(load, state, tenant_id, job_id, kind)
        if not job["done"]:
            response.headers["Retry-After"] = POLL_SECONDS
        return job

    @router.post("/{job_id}/cancel", status_code=202)
    def cancel(job_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
        """Ask it to stop; 409 when it has ended already."""
        with state.database.transaction() as session:
            return views.job(session, jobs.request_cancel(session, tenant_id, job_id, kind))

    @router.get("/{job_id}/events")
    def events(
        job_id: ResourceId,
        state: Services,
        tenant_id: TenantId,
        after: Annotated[int, Query(ge=0, le=2**62)] = 0,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        """Its transitions in order, those with a sequence above `after`."""
        with state.database.transaction() as session:
            jobs.get(session, tenant_id, job_id, kind)
            rows = jobs.events(session, job_id, after=after, limit=limit + 1)
            return views.page(rows, limit, views.event)

    return router


def load(state: State, tenant_id: str, job_id: str, kind: JobKind) -> dict[str, Any]:
    """The job as clients see it; raises NotFound."""
    with state.database.transaction() as session:
        return views.job(session, jobs.get(session, tenant_id, job_id, kind))


def accepted(response: Response, noun: str, job: dict[str, Any]) -> dict[str, Any]:
    """The answer to an accepted job: where to look, and when."""
    response.headers["Location"] = f"/v1/{noun}/{job['id']}"
    response.headers["Retry-After"] = POLL_SECONDS
    return job
