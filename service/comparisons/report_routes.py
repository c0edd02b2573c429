"""The report of a comparison: its table so far, as numbers or as one HTML page, by Accept."""

import orjson
from fastapi import APIRouter, Request, Response

from service.comparisons.picture import table
from service.comparisons.responses import ComparisonReport
from service.html.templates import HTML, asset, policy, templates
from service.http.fair import FairRoute
from service.http.media import JSON, acceptable
from service.http.parameters import ResourceId
from service.polls import views as job_views
from service.selections.report_routes import HEADERS
from service.services import Services, State, TenantId
from store.comparisons import steps as comparison_steps
from store.jobs import lifecycle as jobs
from store.jobs import reads as job_reads
from store.kit.json import Json
from store.tables.states import JobKind

router = APIRouter(prefix="/v1/comparisons", route_class=FairRoute, tags=["comparisons"])
COMPARISON = ("id", "name", "status", "created_at", "completed_at", "request", "metadata")
PAGE = {"type": "string", "description": "One page that needs nothing else."}
STYLES = ("base.css", "charts.css", "report.css")


@router.get(
    "/{job_id}/report",
    response_model=ComparisonReport,
    responses={200: {"content": {HTML: {"schema": PAGE}}}},
)
def report(job_id: ResourceId, request: Request, state: Services, tenant_id: TenantId) -> Response:
    """The verdict, each arm with its intervals, and the jobs of every step."""
    if acceptable(request.headers.get("accept"), (JSON, HTML)) == HTML:
        return Response(report_page(state, tenant_id, job_id), media_type=HTML, headers=HEADERS)
    return Response(orjson.dumps(document(state, tenant_id, job_id)), media_type=JSON)


def document(state: State, tenant_id: str, job_id: str) -> Json:
    """All numbers so far; raises NotFound."""
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, JobKind.COMPARISON)
        made = job_views.job(job, job_reads.progress(session, [job_id])[job_id])
        steps = comparison_steps.outline(session, job_id)
    return {
        "object": "comparison.report",
        "comparison": {name: made[name] for name in COMPARISON},
        "result": made["result"],
        "steps": steps,
    }


def report_page(state: State, tenant_id: str, job_id: str) -> str:
    """The whole document; raises NotFound."""
    found = document(state, tenant_id, job_id)
    style = asset(*STYLES)
    return (
        templates()
        .get_template("comparison_report.html")
        .render(
            report=found,
            table=found["result"] and table(found["result"]),
            style=style,
            policy=policy(style, ()),
        )
    )
