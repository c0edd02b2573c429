"""The page where everything begins: what is there, or what to do first."""

import json
from functools import cache

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.html.templates import HTML, STATIC
from service.http.media import JSON, acceptable
from service.http.problems import Problem, no_such_route
from service.pages import facts
from service.pages.rendering import PageRoute, render
from service.polls import encoding
from service.polls.views import JobView
from service.services import Services, TenantId
from store.jobs import reads as job_reads
from store.kit.json import Json
from store.tables import owned
from store.tables.data import Model, Pool, Target
from store.tables.jobs import Job

root = APIRouter(include_in_schema=False)
router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

NEWEST = 8  # jobs
EXAMPLES = {"target": "example-target.jsonl", "pool": "example-pool.jsonl"}
HELD = (
    ("targets", Target, "what you select for"),
    ("pools", Pool, "what you select from"),
    ("models", Model, "trained here"),
)


@root.get("/")
async def begin(request: Request) -> Response:
    """A browser goes to the pages; for programs there is nothing here."""
    try:
        html = acceptable(request.headers.get("accept"), (JSON, HTML)) == HTML
    except Problem:
        html = False
    if not html:
        raise no_such_route(request.method, "/")
    return RedirectResponse("/ui", 303)


@router.get("")
@router.get("/")
def start(request: Request, state: Services, tenant_id: TenantId) -> Response:
    """The newest jobs, or the first steps."""
    with state.database.transaction() as session:
        rows = owned.listed(session, Job, tenant_id, window=owned.Window(limit=NEWEST))[:NEWEST]
        progress = job_reads.progress(session, [row.id for row in rows])
        jobs = [_line(encoding.job(row, progress[row.id])) for row in rows]
        held = [(name, _count(session, table, tenant_id), what) for name, table, what in HELD]
    return render(request, "home.html", jobs=jobs, held=held, example=example_sizes())


@cache
def example_sizes() -> dict[str, int]:
    """Rows of the example data set."""
    return {side: len(_rows(name)) for side, name in EXAMPLES.items()}


def _rows(name: str) -> list[Json]:
    return [json.loads(line) for line in (STATIC / name).read_text(encoding="utf-8").splitlines()]


class KindLine(facts.Line):
    """A job with its kind."""

    noun: str
    """Of its address."""
    kind: str


def _line(job: JobView) -> KindLine:
    return {**facts.line(job), "noun": f"{job['object']}s", "kind": job["object"].capitalize()}


def _count(session: Session, table: type[Target | Pool | Model], tenant_id: str) -> int:
    return session.scalar(select(func.count()).select_from(table).where(table.tenant_id == tenant_id)) or 0
