"""Sets of candidates that grow by batches."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from evoselect.spec.fields import MAX_WHOLE, ShortText
from service.data import responses, views
from service.data.requests import BatchRequest, OnInvalid, PoolRequest
from service.data.stored import add_routes
from service.edge.idempotency import OnceOnly
from service.edge.labels import add_change
from service.http.fields import Format, Template
from service.http.media import ARROW, CSV, JSON, NDJSON, PARQUET, TABLES, TSV, required
from service.http.parameters import DEFAULT_LIMIT, LabelledListing, Limit, ResourceId, resource_id
from service.http.problems import Problem
from service.http.responses import Page
from service.http.strict_json import StrictRoute
from service.http.views import page
from service.intake import batches
from service.intake.bodies import in_pieces, receive_into
from service.intake.spools import spool
from service.intake.stored_files import prompts_of, read_into, stored_file
from service.intake.writer import BatchWriter
from service.services import Services, State, TenantId
from store.data import pools
from store.data.sources import Source

router = APIRouter(prefix="/v1/pools", route_class=StrictRoute, tags=["pools"])

ColumnPair = Annotated[str, Field(min_length=3, max_length=300, description="field:column")]
AfterVersion = Annotated[int, Query(ge=0, le=MAX_WHOLE, description="The last version of the page before.")]


BATCH_ID = "A name of yours: the same one again answers with the first batch."
ON_INVALID = "A bad record refuses the whole batch, or is skipped and counted."
FORMAT = "The shape that the rows have; `auto` recognises that of each row."
TEMPLATE = "Jinja that makes the prompt from the columns of a row, such as `Question: {{ question }}`."
COLUMNS = "`field:column` names the column that holds a field; up to 9 times."


@router.post("", status_code=201)
def create(body: PoolRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> responses.Pool:
    """Make an empty pool."""

    def store(session: Session) -> str:
        return pools.create(session, tenant_id, name=body.name, user_metadata=body.metadata).id

    return retrieve(once.run(body, store), state, tenant_id)


@router.get("")
def listing(state: Services, tenant_id: TenantId, window: LabelledListing) -> Page[responses.Pool]:
    """All pools, newest first."""
    with state.database.transaction() as session:
        return page(pools.listing(session, tenant_id, window=window), window.limit, views.pool)


@router.get("/{pool_id}")
def retrieve(pool_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Pool:
    """One pool."""
    with state.database.transaction() as session:
        return views.pool(pools.get(session, tenant_id, pool_id))


def _sources(session: Session, tenant_id: str, pool_id: str) -> list[Source]:
    pool = pools.get(session, tenant_id, pool_id)
    return pools.sources(session, pool, pool.version)


add_change(
    router,
    ("/{pool_id}", resource_id("pool_id")),
    row_of=pools.get,
    view=lambda session, row: views.pool(row),
    shown=responses.Pool,
)
add_routes(router, "pool", _sources, pools.remove)


@router.get("/{pool_id}/batches")
def batch_listing(
    *,
    pool_id: ResourceId,
    state: Services,
    tenant_id: TenantId,
    after: AfterVersion = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[responses.Batch]:
    """The batches of a pool in the order of its versions, those above `after`."""
    with state.database.transaction() as session:
        pools.get(session, tenant_id, pool_id)
        rows = pools.batch_listing(session, pool_id, after=after, limit=limit)
        return page(rows, limit, views.batch)


@router.post(
    "/{pool_id}/batches",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                NDJSON: {"schema": {"type": "string", "description": "One record per line."}},
                PARQUET: {"schema": {"type": "string", "format": "binary", "description": "A Parquet file."}},
                CSV: {"schema": {"type": "string", "description": "A line of names, then rows."}},
                TSV: {"schema": {"type": "string", "description": "The same with tabs."}},
                ARROW: {"schema": {"type": "string", "format": "binary", "description": "An Arrow stream."}},
                "application/json": {"schema": {"$ref": "#/components/schemas/BatchRequest"}},
            },
        }
    },
)
async def add_batch(
    *,
    pool_id: ResourceId,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    client_batch_id: Annotated[ShortText | None, Query(description=BATCH_ID)] = None,
    on_invalid: Annotated[OnInvalid, Query(description=ON_INVALID)] = "reject_batch",
    format: Annotated[Format, Query(description=FORMAT)] = "auto",
    columns: Annotated[list[ColumnPair] | None, Query(max_length=9, description=COLUMNS)] = None,
    template: Annotated[Template | None, Query(description=TEMPLATE)] = None,
) -> responses.Batch:
    """Append candidates, wholly or not at all; the same client_batch_id again returns the first batch.

    The parameters of the query go with NDJSON, Parquet, Arrow, CSV and TSV; a JSON body carries them itself.
    `columns=prompt:instruction` names the column that holds a field; it may be there several times.
    `template` is Jinja that makes the prompt from a row's columns.
    """
    kind = required(request.headers.get("content-type"), (NDJSON, PARQUET, ARROW, CSV, TSV, JSON))
    if kind == JSON:
        body = await _json_body(request)
    else:
        said = {"client_batch_id": client_batch_id, "on_invalid": on_invalid, "format": format}
        body = _of_query({**said, "template": template}, columns or [])
    batch = Intake(state, tenant_id, pool_id, body)
    if known := await run_in_threadpool(batch.known):
        return known
    if kind == NDJSON:
        return await _from_lines(request, batch)
    if kind in (*TABLES, CSV, TSV):
        with spool() as file:
            await receive_into(request, file)
            return await run_in_threadpool(batch.from_file, file)
    return await run_in_threadpool(batch.from_json)


def _of_query(said: Mapping[str, object], columns: list[str]) -> BatchRequest:
    """What the query says, checked as a body is."""
    named = [(field, column) for field, _, column in (pair.partition(":") for pair in columns)]
    pairs = dict(named)
    if len(pairs) < len(named):
        twice = next(field for field in pairs if [name for name, _ in named].count(field) > 1)
        raise Problem(422, "invalid_request", f"columns names two columns for {twice:.60}: name one.")
    try:
        return BatchRequest.model_validate({"records": [], "columns": pairs, **said})
    except ValidationError as error:
        faults = [{**fault, "loc": ("query", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None


async def _from_lines(request: Request, batch: "Intake") -> responses.Batch:
    with await run_in_threadpool(batch.writer) as writer:
        await in_pieces(request, writer.feed)
        return await run_in_threadpool(batch.commit, writer)


async def _json_body(request: Request) -> BatchRequest:
    try:
        given = await request.json()
        return BatchRequest.model_validate(given)
    except json.JSONDecodeError as error:
        raise Problem(400, "not_json", f"The body is not UTF-8 JSON: {error.msg}.") from None
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=given) from None


@dataclass(frozen=True, slots=True)
class Intake:
    """One batch on its way into a pool."""

    state: State
    tenant_id: str
    pool_id: str
    body: BatchRequest
    earlier: tuple[str, ...] = ()
    """Pools whose contents count as known too."""

    def known(self) -> responses.Batch | None:
        """The batch that came with the same client_batch_id before; raises NotFound."""
        with self.state.database.transaction() as session:
            pools.get(session, self.tenant_id, self.pool_id)
            own = self.body.client_batch_id
            batch = pools.find_batch(session, self.pool_id, own) if own else None
            return views.batch(batch) if batch else None

    def writer(self) -> BatchWriter:
        """A writer that knows what the pool holds at this moment."""
        known = batches.known(self.state, self.tenant_id, self.pool_id, self.earlier)
        layout = self.body.layout
        prompts = prompts_of(self.state, self.tenant_id, layout)
        return BatchWriter(self.state.settings, self.body.on_invalid, known, layout, prompts=prompts)

    def from_json(self) -> responses.Batch:
        """Records of the body, or of the file that it names."""
        if self.body.file_id is None:
            with self.writer() as writer:
                writer.add_values(self.body.records or [])
                return self.commit(writer)
        with stored_file(self.state, self.tenant_id, self.body.file_id) as file:
            return self.from_file(file)

    def from_file(self, file: IO[bytes]) -> responses.Batch:
        """Records of an open local file."""
        with self.writer() as writer:
            read_into(writer, file, self.state.settings, self.state.shares.parquet.of(self.tenant_id))
            return self.commit(writer)

    def commit(self, writer: BatchWriter) -> responses.Batch:
        """The writer has everything: the batch becomes a version of the pool."""
        writer.finish()
        with self.state.database.transaction() as session:
            row = batches.commit(
                session,
                self.state,
                self.tenant_id,
                self.pool_id,
                writer=writer,
                client_batch_id=self.body.client_batch_id,
            )
            return views.batch(row)
