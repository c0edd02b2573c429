"""The report of a comparison: its table so far, as numbers or as one HTML page, by Accept."""

import orjson
from fastapi import APIRouter, Request, Response

from service.comparisons.picture import table
from service.comparisons.responses import ComparisonReport
from service.html.standalone import SCHEMA, standalone
from service.html.templates import HTML, asset, policy, templates
from service.http.fair import FairRoute
from service.http.media import JSON, acceptable
from service.http.parameters import ResourceId
from service.http.views import public_result
from service.jobs.reported import reported
from service.services import Services, State, TenantId
from store.comparisons import steps as comparison_steps
from store.jobs import lifecycle as jobs
from store.kit.json import Json
from store.tables.states import JobKind

router = APIRouter(prefix="/v1/comparisons", route_class=FairRoute, tags=["comparisons"])
STYLES = ("base.css", "charts.css", "report.css")


@router.get(
    "/{job_id}/report",
    response_model=ComparisonReport,
    responses={200: {"content": {HTML: {"schema": SCHEMA}}}},
)
def report(job_id: ResourceId, request: Request, state: Services, tenant_id: TenantId) -> Response:
    """The verdict, each arm with its intervals, and the jobs of every step."""
    if acceptable(request.headers.get("accept"), (JSON, HTML)) == HTML:
        return standalone(report_page(state, tenant_id, job_id))
    return Response(orjson.dumps(document(state, tenant_id, job_id)), media_type=JSON)


def document(state: State, tenant_id: str, job_id: str) -> Json:
    """All numbers so far; raises NotFound."""
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, JobKind.COMPARISON)
        steps = comparison_steps.outline(session, job_id)
    return {
        "object": "comparison.report",
        "comparison": reported(job),
        "result": None if job.result is None else public_result(job.result),
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
