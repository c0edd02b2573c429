"""What a selection picked, and what it could not pick."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypedDict

import orjson
import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.http.fair import FairRoute
from service.http.media import JSON, NDJSON, PARQUET, acceptable
from service.http.parameters import Extra, ResourceId
from service.http.problems import Problem
from service.http.ranges import serve_spool
from service.intake.spools import TableSpool
from service.jobs.results import completed
from service.selections.responses import ItemPage
from service.services import Services, State, TenantId
from store.artifacts import StoredFile
from store.jobs.results import files_of
from store.records.table_rows import NotRestored
from store.results import item_columns, picked
from store.results import items as selected

router = APIRouter(prefix="/v1/selections", route_class=FairRoute, tags=["selections"])

Form = Literal["item", "original"]

MAX_PAGE = 1000
LIMIT = "How many at most; JSON pages have 1,000 at most, lines and tables all by default."
ALL_ITEMS = 2**62
LINES = {
    "type": "string",
    "description": "One JSON object a line: items, or with format=original rows as they came.",
}
TABLE = {"type": "string", "format": "binary", "description": "A Parquet file with a row for each item."}
REJECTED = {"type": "string", "description": "One JSON object a line: `id` and `reason`."}
FORMATS: dict[str, dict[str, object]] = {NDJSON: {"schema": LINES}, PARQUET: {"schema": TABLE}}


class Range(TypedDict):
    """Which items are asked for."""

    after: int
    limit: int
    extra: Mapping[str, str]


@router.get("/{job_id}/items", response_model=ItemPage, responses={200: {"content": FORMATS}})
def items(
    *,
    job_id: ResourceId,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    extra: Extra,
    after: Annotated[int, Query(ge=0, le=ALL_ITEMS, description="The last rank of the page before.")] = 0,
    limit: Annotated[int | None, Query(ge=1, le=ALL_ITEMS, description=LIMIT)] = None,
    format: Annotated[
        Literal["item", "original"], Query(description="`original`: rows as they came.")
    ] = "item",
    reasons: Annotated[bool, Query(description="With `original`: each row gets `_evoselect`.")] = False,
) -> Response:
    """The selected candidates in order: JSON pages, or all of them as NDJSON or Parquet, by Accept.

    `format=original` gives NDJSON of the rows byte for byte as they were sent, to train on; or, where the
    whole pool came as tables with the same columns, Parquet with the schema that they had. `extra.source=web`
    gives those alone whose record has that value in `extra`.
    """
    job = completed(state, tenant_id, job_id, what="items")
    files = files_of(job.result)
    stored = files.items
    accept = request.headers.get("accept")
    kind = acceptable(accept, (NDJSON, PARQUET) if format == "original" else (JSON, NDJSON, PARQUET))
    count = min(limit or MAX_PAGE, MAX_PAGE) if kind == JSON else limit or ALL_ITEMS
    asked: Range = {"after": after, "limit": count, "extra": extra}
    if format == "original" and kind == PARQUET:
        return _table(state, stored, files.table, asked=asked, reasons=reasons)
    if format == "original":
        rows = selected.read_originals(state.artifacts, stored, **asked, reasons=reasons)
        return StreamingResponse(_lines(rows), media_type=NDJSON)
    if kind == JSON and extra:
        asked["limit"] += 1  # tells whether there are more
    groups = selected.read_groups(state.artifacts, stored, **asked)
    if kind == NDJSON:
        return StreamingResponse(_lines(groups), media_type=NDJSON)
    if kind == PARQUET:
        return _parquet(item_columns.SCHEMA, map(item_columns.to_table, groups))
    texts = [text for group in groups for text in group]
    more = len(texts) > count if extra else bool(texts) and after + len(texts) < (stored.rows or 0)
    return Response(_page(texts[:count], more), media_type=JSON)


@router.get(
    "/{job_id}/rejected",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {NDJSON: {"schema": REJECTED}}}},
)
def rejected(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Every candidate that could not be selected, with the reason, as lines in the order of the pool."""
    stored = files_of(completed(state, tenant_id, job_id, what="rejected").result).rejected
    lines = b"" if stored is None else state.artifacts.get_bytes(stored.path, stored.sha256)
    return Response(lines, media_type=NDJSON)


def _page(texts: list[str], has_more: bool) -> bytes:
    data = [orjson.Fragment(text) for text in texts]
    return orjson.dumps({"object": "list", "data": data, "has_more": has_more})


def _lines(groups: Iterator[list[str]]) -> Iterator[bytes]:
    for texts in groups:
        if texts:
            yield "\n".join([*texts, ""]).encode()


def _table(
    state: State,
    stored: StoredFile,
    table: StoredFile | None,
    *,
    asked: Range,
    reasons: bool,
) -> Response:
    """The rows as the table that they came as; raises Problem where they are none."""
    if table is None:
        detail = "The pool did not come as tables with the same columns: rows as they came are lines, "
        raise Problem(406, "no_table", f"{detail}{NDJSON}.")
    try:
        return _parquet(*picked.read(state.artifacts, stored, table, **asked, reasons=reasons))
    except (NotRestored, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        detail = f"The rows cannot be written as Parquet: {error!s:.200} They come as {NDJSON}."
        raise Problem(406, "no_table", detail) from None


def _parquet(schema: pa.Schema, tables: Iterator[pa.Table]) -> Response:
    table = TableSpool(schema)
    try:
        for part in tables:
            table.add(part)
        table.finish()
    except BaseException:
        table.close()
        raise
    return serve_spool(table.release(), PARQUET)
