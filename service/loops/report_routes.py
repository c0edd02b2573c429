"""The report of a loop: its rounds so far, as numbers or as one HTML page, by Accept."""

import orjson
from fastapi import APIRouter, Request, Response

from service.html.standalone import SCHEMA, standalone
from service.html.templates import HTML
from service.http.fair import FairRoute
from service.http.media import JSON, acceptable
from service.http.parameters import ResourceId
from service.loops.report_document import document
from service.loops.report_page import page
from service.loops.report_responses import LoopReport
from service.services import Services, State, TenantId

router = APIRouter(prefix="/v1/loops", route_class=FairRoute, tags=["loops"])


@router.get(
    "/{job_id}/report", response_model=LoopReport, responses={200: {"content": {HTML: {"schema": SCHEMA}}}}
)
def report(job_id: ResourceId, request: Request, state: Services, tenant_id: TenantId) -> Response:
    """Each round with intervals, both arms compared example by example, and a map of it on the same axes."""
    if acceptable(request.headers.get("accept"), (JSON, HTML)) == HTML:
        return standalone(loop_page(state, tenant_id, job_id))
    return Response(orjson.dumps(document(state, tenant_id, job_id)), media_type=JSON)


def loop_page(state: State, tenant_id: str, job_id: str) -> str:
    """The page; raises NotFound."""
    return page(document(state, tenant_id, job_id))
