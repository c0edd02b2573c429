"""What a selection picked, and what it could not pick."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.http.fair import FairRoute
from service.http.media import JSON, NDJSON, PARQUET, acceptable
from service.http.parameters import ResourceId
from service.http.ranges import serve_spool
from service.intake.spools import TableSpool
from service.jobs.results import artifact, completed
from service.services import Services, TenantId
from store.results import item_columns
from store.results import items as selected

router = APIRouter(prefix="/v1/selections", route_class=FairRoute, tags=["selections"])

Form = Literal["item", "original"]
MAX_PAGE = 1000
ALL_ITEMS = 2**62
FORMATS: dict[str, Any] = {kind: {} for kind in (JSON, NDJSON, PARQUET)}


@router.get("/{job_id}/items", response_model=None, responses={200: {"content": FORMATS}})
def items(
    job_id: ResourceId,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    after: Annotated[int, Query(ge=0, le=ALL_ITEMS, description="The last rank of the page before.")] = 0,
    limit: Annotated[int | None, Query(ge=1, le=ALL_ITEMS)] = None,
    format: Annotated[
        Literal["item", "original"], Query(description="`original`: rows as they came.")
    ] = "item",
    reasons: Annotated[bool, Query(description="With `original`: each row gets `_evoselect`.")] = False,
) -> Response:
    """The selected candidates in order: JSON pages, or all of them as NDJSON or Parquet, by Accept.

    `format=original` gives NDJSON of the rows byte for byte as they were sent, to train on.
    """
    stored = artifact(completed(state, tenant_id, job_id, "items"), "items") or {}
    if format == "original":
        acceptable(request.headers.get("accept"), (NDJSON,))
        rows = selected.read_originals(
            state.artifacts, stored, after=after, limit=limit or ALL_ITEMS, reasons=reasons
        )
        return StreamingResponse(_lines(rows), media_type=NDJSON)
    kind = acceptable(request.headers.get("accept"), (JSON, NDJSON, PARQUET))
    count = min(limit or MAX_PAGE, MAX_PAGE) if kind == JSON else limit or ALL_ITEMS
    groups = selected.read_groups(state.artifacts, stored, after=after, limit=count)
    if kind == NDJSON:
        return StreamingResponse(_lines(groups), media_type=NDJSON)
    if kind == PARQUET:
        return _parquet(groups)
    return Response(_page(groups, after, stored), media_type=JSON)


@router.get("/{job_id}/rejected", response_model=None, responses={200: {"content": {NDJSON: {}}}})
def rejected(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Every candidate that could not be selected, with the reason, as lines in the order of the pool."""
    stored = artifact(completed(state, tenant_id, job_id, "rejected"), "rejected") or {}
    return Response(state.artifacts.get_bytes(stored["path"], stored["sha256"]), media_type=NDJSON)


def _page(groups: Iterator[list[str]], after: int, stored: dict[str, Any]) -> bytes:
    texts = [text for group in groups for text in group]
    has_more = after + len(texts) < stored["rows"] if texts else False
    data = [orjson.Fragment(text) for text in texts]
    return orjson.dumps({"object": "list", "data": data, "has_more": has_more})


def _lines(groups: Iterator[list[str]]) -> Iterator[bytes]:
    for texts in groups:
        yield "\n".join([*texts, ""]).encode()


def _parquet(groups: Iterator[list[str]]) -> Response:
    table = TableSpool(item_columns.SCHEMA)
    try:
        for texts in groups:
            table.add(item_columns.to_table(texts))
        table.finish()
    except BaseException:
        table.close()
        raise
    return serve_spool(table.release(), PARQUET)
