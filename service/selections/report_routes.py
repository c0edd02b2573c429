"""The report of a selection: numbers as JSON, one HTML page, or its map as Parquet, by Accept."""

from collections.abc import Iterator
from itertools import islice

import orjson
from fastapi import APIRouter, Request, Response

from service.html.standalone import SCHEMA, standalone
from service.html.templates import HTML
from service.http.fair import FairRoute
from service.http.media import JSON, PARQUET, acceptable
from service.http.parameters import ResourceId
from service.jobs.results import completed
from service.selections.report_document import document, map_texts
from service.selections.report_page import page
from service.selections.report_responses import Report
from service.services import Services, State, TenantId
from store.jobs.results import files_of
from store.kit.json import Json
from store.results import items as selected
from store.tables.jobs import Job

router = APIRouter(prefix="/v1/selections", route_class=FairRoute, tags=["selections"])
FORMATS: dict[str, dict[str, object]] = {
    HTML: {"schema": SCHEMA},
    PARQUET: {"schema": {"type": "string", "format": "binary", "description": "The points of the map."}},
}


@router.get("/{job_id}/report", response_model=Report, responses={200: {"content": FORMATS}})
def report(job_id: ResourceId, request: Request, state: Services, tenant_id: TenantId) -> Response:
    """Where pool, target and selected lie, how well the target is served, and what the solver proved."""
    kind = acceptable(request.headers.get("accept"), (JSON, HTML, PARQUET))
    job = completed(state, tenant_id, job_id, what="report")
    numbers = document(state.artifacts, job)
    if kind == PARQUET:
        return Response(_map(state, job), media_type=PARQUET)
    if kind == HTML:
        return standalone(rendered(state, job, Report.model_validate(numbers)))
    return Response(orjson.dumps(numbers), media_type=JSON)


def rendered(state: State, job: Job, numbers: Report) -> str:
    """The page of a completed selection, with as many items as its map shows."""
    items = _items(state, job, numbers.map.shown.selected)
    return page(numbers, items, map_texts(state.artifacts, job))


def _map(state: State, job: Job) -> bytes:
    stored = files_of(job.result).map
    assert stored is not None  # the numbers are there
    return state.artifacts.get_bytes(stored.path, stored.sha256)


def _items(state: State, job: Job, count: int) -> Iterator[Json]:
    texts = selected.read(state.artifacts, files_of(job.result).items, after=0, limit=count)
    return (orjson.loads(text) for text in islice(texts, count))
