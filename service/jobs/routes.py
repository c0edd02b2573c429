"""What all kinds of jobs share: list, retrieve, wait, cancel, retry, events."""

import re
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.orm import Session

from evoselect.spec.fields import ShortText
from service.edge.labels import add_change
from service.edge.quotas import require_job_quota
from service.http.conditional import conditional
from service.http.media import media_type
from service.http.parameters import DEFAULT_LIMIT, LabelledListing, Limit, ResourceId, resource_id
from service.http.problems import Problem
from service.http.responses import Deleted, Page
from service.http.strict_json import StrictRoute
from service.http.views import as_response, deleted, page
from service.jobs import events as streams
from service.jobs import responses
from service.polls import encoding, views
from service.polls.reads import JobRead
from service.polls.views import JobView
from service.services import Services, State, TenantId
from store.errors import NotFound
from store.jobs import lifecycle as jobs
from store.jobs import reads as job_reads
from store.jobs import removal, submissions
from store.tables.jobs import Job
from store.tables.states import MADE_OF_JOBS, JobKind, JobStatus
from store.upkeep import sweeper

MAX_WAIT_SECONDS = 60  # that one request may be held
POLL_SECONDS = "2"  # Retry-After: how soon asking again makes sense
MAX_SEQUENCE = 2**62
KNOWN: dict[str, Any] = {"description": "It is as `If-None-Match` knows it; no body."}
STATUS = "Only jobs with this status; it may be given several times."
NAME = "Only jobs with this name."
LAST_SEEN = "Of an event stream: the number of the last event seen, in place of `after`."
SEQUENCE = re.compile(r"[0-9]{1,19}")

Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the job's end, at most 60.")
]
AfterEvent = Annotated[int, Query(ge=0, le=MAX_SEQUENCE, description="The number of the last event seen.")]


STREAMED = {"type": "string", "description": "Server-sent events; the data of each is an Event as JSON."}


def job_routes(kind: JobKind, noun: str, shown: type[responses.Job]) -> APIRouter:
    """The routes of one kind of job below /v1/{noun}, which answer with `shown`; creating one is its own."""
    router = APIRouter(prefix=f"/v1/{noun}", route_class=StrictRoute, tags=[noun])

    _add_reads(router, kind, shown)
    _add_changes(router, kind, noun, shown)
    _add_labels(router, kind, shown)
    _add_events(router, kind)
    return router


def _add_reads(router: APIRouter, kind: JobKind, shown: type[responses.Job]) -> None:
    @router.get("", response_model=Page[shown])  # type: ignore[valid-type]  # known when the app is made
    def listing(
        *,
        state: Services,
        tenant_id: TenantId,
        window: LabelledListing,
        status: Annotated[
            list[JobStatus] | None, Query(max_length=len(JobStatus), description=STATUS)
        ] = None,
        name: Annotated[ShortText | None, Query(description=NAME)] = None,
    ) -> Response:
        """All of them, newest first; `status` may be given several times."""
        with state.database.transaction() as session:
            rows = jobs.listing(session, tenant_id, kind, window=window, statuses=status, name=name)
            progress = job_reads.progress(session, [row.id for row in rows])
        return encoding.page(rows, progress, window.limit)

    @router.get("/{job_id}", response_model=shown, responses={304: KNOWN})
    async def retrieve(
        *, job_id: ResourceId, request: Request, state: Services, tenant_id: TenantId, wait: Wait = 0
    ) -> Response:
        """One of them; with `wait`, as soon as it has ended or after so many seconds."""
        deadline = time.monotonic() + wait
        read = await _read(state, tenant_id, job_id, kind)
        while not read.done and (left := deadline - time.monotonic()) > 0:
            await state.event_watch.beyond(job_id, read.last_event, left)
            read = await _read(state, tenant_id, job_id, kind)
        headers = {} if read.done else {"Retry-After": POLL_SECONDS}
        return conditional(request, read.body, read.etag, headers)


def _add_changes(router: APIRouter, kind: JobKind, noun: str, shown: type[responses.Job]) -> None:
    @router.post("/{job_id}/cancel", status_code=202, response_model=shown)
    def cancel(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
        """Ask it to stop; 409 when it has ended already."""
        with state.database.transaction() as session:
            jobs.request_cancel(session, tenant_id, job_id, kind)
        if kind in MADE_OF_JOBS:
            sweeper.cancel_steps(state.database, job_id)
        return as_response(load(state, tenant_id, job_id, kind), 202)

    @router.post("/{job_id}/retry", status_code=202, response_model=shown)
    def retry(job_id: ResourceId, response: Response, state: Services, tenant_id: TenantId) -> Response:
        """The same request as a new job, for one that failed, expired or was cancelled; else 409."""
        with state.database.transaction() as session:
            require_job_quota(session, state, tenant_id, kind)
            row = submissions.again(session, tenant_id, job_id, kind)
            again = encoding.job(row, job_reads.progress(session, [row.id])[row.id])
            submissions.require_allowed(session, row, state.settings)  # or none is stored
        return accepted(response, noun, again)

    @router.delete("/{job_id}")
    def delete(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Deleted:
        """Delete one that has ended, with its results; 409 before, and while something needs it."""
        with state.database.transaction() as session:
            removal.remove(session, tenant_id, job_id, kind)
        return deleted(kind, job_id)


def _add_labels(router: APIRouter, kind: JobKind, shown: type[responses.Job]) -> None:
    def row_of(session: Session, tenant_id: str, job_id: str) -> Job:
        return jobs.get(session, tenant_id, job_id, kind)

    def view(session: Session, row: Job) -> JobView:
        return encoding.job(row, job_reads.progress(session, [row.id])[row.id])

    add_change(router, ("/{job_id}", resource_id("job_id")), row_of=row_of, view=view, shown=shown)


def _add_events(router: APIRouter, kind: JobKind) -> None:
    @router.get(
        "/{job_id}/events",
        response_model=Page[responses.Event],
        responses={
            200: {"content": {streams.MEDIA_TYPE: {"schema": STREAMED}}},
            204: {"description": "The job has ended and every event was seen: do not connect again."},
        },
    )
    def events(
        *,
        job_id: ResourceId,
        request: Request,
        state: Services,
        tenant_id: TenantId,
        after: AfterEvent = 0,
        limit: Limit = DEFAULT_LIMIT,
        last_event_id: Annotated[str | None, Header(max_length=64, description=LAST_SEEN)] = None,
    ) -> Response:
        """Its transitions in order, those with a number above `after`.

        With `Accept: text/event-stream` they come as they happen, until the job has ended; a client that
        connects again with `Last-Event-ID` misses none.
        """
        with state.database.transaction() as session:
            job = jobs.get(session, tenant_id, job_id, kind)
            if media_type(request.headers.get("accept")) == streams.MEDIA_TYPE:
                return stream(state, job, max(after, sequence_of(last_event_id)))
            rows = jobs.events(session, job_id, after=after, limit=limit + 1)
            return as_response(page(rows, limit, views.event))


async def _read(state: State, tenant_id: str, job_id: str, kind: JobKind) -> JobRead:
    read = await state.reads.job(tenant_id, job_id)
    if read is None or read.kind != kind:
        raise NotFound(kind, job_id)
    return read


def sequence_of(last_event_id: str | None) -> int:
    if not last_event_id:
        return 0
    if not SEQUENCE.fullmatch(last_event_id) or int(last_event_id) > MAX_SEQUENCE:
        raise Problem(422, "invalid_request", f"Last-Event-ID is {last_event_id!r:.40}, not a whole number.")
    return int(last_event_id)


def stream(state: State, job: Job, after: int) -> Response:
    if jobs.is_terminal(job) and after >= job.last_event:
        return Response(status_code=204)
    return streams.EventStream(state, job, after)


def load(state: State, tenant_id: str, job_id: str, kind: JobKind) -> JobView:
    """The job as clients see it; raises NotFound."""
    with state.database.transaction() as session:
        row = jobs.get(session, tenant_id, job_id, kind)
        return encoding.job(row, job_reads.progress(session, [job_id])[job_id])


def accepted(response: Response, noun: str, job: JobView) -> Response:
    """The answer to an accepted job: where to look, and when."""
    response.headers["Location"] = f"/v1/{noun}/{job['id']}"
    response.headers["Retry-After"] = POLL_SECONDS
    return as_response(job, 202, response.headers)
