"""The pages below /ui: sign in, jobs, one job as it runs, its report, two selections side by side."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from sqlalchemy.orm import Session

from evoselect.spec.fields import ShortText
from service.comparisons.report_routes import report_page as comparison_page
from service.edge.sessions import COOKIE, SECONDS, SIGN_IN, check_token, cookie_for
from service.html.templates import HTML, STATIC, version
from service.http.parameters import After, ResourceId
from service.http.problems import Problem
from service.jobs.results import completed
from service.jobs.routes import AfterEvent, sequence_of, stream
from service.loops.report_routes import loop_page
from service.pages import (
    comparison_facts,
    evaluation_facts,
    facts,
    kind_facts,
    loop_facts,
    selection_facts,
    starting,
    words,
)
from service.pages.forms import KINDS, Form, Noun
from service.pages.rendering import HEADERS, PageRoute, render
from service.polls import encoding
from service.polls import views as job_views
from service.selections.comparisons import comparison
from service.selections.report_document import document, target_texts
from service.selections.report_responses import Report
from service.selections.report_routes import rendered
from service.services import Services, State, TenantId
from store.accounts import api_keys
from store.jobs import lifecycle as jobs
from store.jobs import reads as job_reads
from store.jobs.requests import EvaluationNames
from store.kit.json import Json
from store.loops import steps as loop_steps
from store.tables.jobs import Event, Job
from store.tables.owned import Window
from store.tables.states import TERMINAL, JobKind, JobStatus

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

ROWS = 50  # of a page of jobs
EVENTS = 200  # newest that the page of a job shows
STATICS = {
    "api.js",
    "base.css",
    "charts.css",
    "charts.js",
    "estimate.js",
    "example-pool.jsonl",
    "example-target.jsonl",
    "forms.js",
    "icon.svg",
    "intake.js",
    "loop_form.js",
    "map.js",
    "pages.css",
    "pages.js",
    "uplot.min.css",
    "uplot.min.js",
    "work.css",
}
REPORT_HEADERS = {**HEADERS, "Content-Security-Policy": "frame-ancestors 'none'"}  # its own says the rest


@router.get("/sign-in")
def sign_in_form(request: Request) -> Response:
    """Where a key is asked for."""
    return render(request, "sign_in.html", wrong=False)


@router.post("/sign-in")
def sign_in(request: Request, form: Form, state: Services) -> Response:
    """A session for a key that works; else the form again."""
    pepper = state.settings.key_pepper.get_secret_value()
    with state.database.transaction() as session:
        principal = api_keys.principal_of(session, form.get("api_key", "").strip(), pepper)
    if principal is None:
        return render(request, "sign_in.html", 401, wrong=True)
    response = RedirectResponse("/ui", 303)
    response.set_cookie(
        COOKIE, cookie_for(state, principal), SECONDS, secure=True, httponly=True, samesite="strict"
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, form: Form, state: Services) -> Response:
    """The cookie is deleted."""
    check_token(state, request.state.cookie, form.get("token", ""))
    response = RedirectResponse(SIGN_IN, 303)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
    return response


@router.get("/static/{name}")
@router.get("/static/{of}/{name}")
def static(name: str, of: str = "") -> Response:
    """Styles and the scripts; there is nothing else. Those of this version are kept by browsers."""
    if name not in STATICS:
        raise Problem(404, "not_found", "There is no such file.")
    kept = "public, max-age=31536000, immutable" if of == version() else "no-cache"
    return FileResponse(STATIC / name, headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"})


@router.get("/compare")
def compare(
    *,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    first: Annotated[str, Query(max_length=64)] = "",
    second: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Two selections side by side, by their ids."""
    ids = (first.strip(), second.strip())
    found = comparison(state, tenant_id, *ids) if all(ids) else None
    texts = target_texts(state.artifacts, completed(state, tenant_id, ids[0], what="items")) if found else {}
    with state.database.transaction() as session:
        offered = starting.completed_selections(session, tenant_id)
    return render(
        request, "compare.html", first=ids[0], second=ids[1], found=found, offered=offered, texts=texts
    )


@router.get("/{noun}")
def listing(
    *,
    request: Request,
    noun: Noun,
    state: Services,
    tenant_id: TenantId,
    after: After = None,
    status: Annotated[str, Query(pattern=f"^({'|'.join(JobStatus)})?$")] = "",
    name: Annotated[ShortText | Literal[""], Query()] = "",
) -> Response:
    """A page of jobs, newest first."""
    with state.database.transaction() as session:
        rows = jobs.listing(
            session,
            tenant_id,
            KINDS[noun],
            window=Window(after, ROWS),
            statuses=[status] if status else None,
            name=name or None,
        )
        ids = [row.id for row in rows]
        progress, done = job_reads.progress(session, ids), loop_steps.rounds_done(session, ids)
    shown = [facts.line(encoding.job(row, progress[row.id]), done.get(row.id, 0)) for row in rows[:ROWS]]
    more = urlencode({"after": rows[ROWS - 1].id, "status": status, "name": name}) if len(rows) > ROWS else ""
    return render(
        request,
        "jobs.html",
        noun=noun,
        jobs=shown,
        more=more,
        status=status,
        name=name,
        statuses=list(JobStatus),
        first=after is None,
    )


@router.get("/{noun}/{job_id}")
def one(
    *, request: Request, noun: Noun, job_id: ResourceId, state: Services, tenant_id: TenantId
) -> Response:
    """A job; its script keeps the part that changes up to date."""
    return render(request, "job.html", noun=noun, **_job(state, tenant_id, noun, job_id))


@router.get("/{noun}/{job_id}/live")
def live(
    *, request: Request, noun: Noun, job_id: ResourceId, state: Services, tenant_id: TenantId
) -> Response:
    """The part of the page that changes."""
    return render(request, "changing.html", noun=noun, **_job(state, tenant_id, noun, job_id))


@router.get("/{noun}/{job_id}/events")
def events(
    *,
    request: Request,
    noun: Noun,
    job_id: ResourceId,
    state: Services,
    tenant_id: TenantId,
    after: AfterEvent = 0,
) -> Response:
    """The job's events as they happen."""
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, KINDS[noun])
        return stream(state, job, max(after, sequence_of(request.headers.get("last-event-id"))))


@router.get("/selections/{job_id}/report")
def report(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """The report of a completed selection."""
    job = completed(state, tenant_id, job_id, what="report")
    page = rendered(state, job, Report.model_validate(document(state.artifacts, job)))
    return Response(page, media_type=HTML, headers=REPORT_HEADERS)


@router.get("/loops/{job_id}/report")
def loop_report(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """The rounds of a loop so far."""
    return Response(loop_page(state, tenant_id, job_id), media_type=HTML, headers=REPORT_HEADERS)


@router.get("/comparisons/{job_id}/report")
def comparison_report(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """The table of a comparison so far."""
    return Response(comparison_page(state, tenant_id, job_id), media_type=HTML, headers=REPORT_HEADERS)


def _job(state: State, tenant_id: str, noun: str, job_id: str) -> dict[str, Any]:
    with state.database.transaction() as session:
        row = jobs.get(session, tenant_id, job_id, KINDS[noun])
        progress = job_reads.progress(session, [job_id])[job_id]
        rows = jobs.events(session, job_id, after=max(0, row.last_event - EVENTS), limit=EVENTS)
        workers = job_reads.running(session, job_id)
        job = encoding.job(row, progress)
        done = loop_steps.rounds_done(session, [job_id]).get(job_id, 0)
        measured = EvaluationNames.of(row.request, row.id) if row.kind == JobKind.EVALUATION else None
        return {
            "job": job,
            "line": facts.line(job, done),
            "step": loop_facts.place(session, job_id),
            "phases": facts.phases(progress),
            "events": [_event(event) for event in reversed(rows)],
            "selection": selection_facts.of_selection(state, row) if row.kind == JobKind.SELECTION else None,
            "again": row.status in TERMINAL and row.status != JobStatus.COMPLETED,
            "title": facts.title(row.name, row.kind, row.created_at),
            "workers": workers,
            "loop": loop_facts.of_loop(session, row) if row.kind == JobKind.LOOP else None,
            "comparison": (
                comparison_facts.of_comparison(session, row) if row.kind == JobKind.COMPARISON else None
            ),
            "training": kind_facts.of_training(session, row) if row.kind == JobKind.TRAINING else None,
            "measures": kind_facts.of_evaluation(row) if row.kind == JobKind.EVALUATION else [],
            "beside": _beside(state, session, row) if row.kind == JobKind.EVALUATION else [],
            "model": evaluation_facts.model_name(session, job["request"].get("model") or ""),
            "measured_on": measured.examples if measured else "",
            "facts": facts.of_result(job),
            "last_event": row.last_event,
            "open": row.status not in TERMINAL,
        }


def _beside(state: State, session: Session, job: Job) -> list[evaluation_facts.Other]:
    found = evaluation_facts.others(session, job)
    named = [(row, evaluation_facts.model_name(session, row.request["model"])) for row in found]
    return evaluation_facts.beside(state, job, named)


def _event(row: Event) -> Json:
    event = job_views.event(row)
    return {"words": words.of_event(event), "at": event["created_at"]}
