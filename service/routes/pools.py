"""Sets of candidates that grow by batches."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service import views
from service.idempotency import OnceOnly
from service.ingest import BatchWriter
from service.middleware import NDJSON, media_type
from service.problems import Problem
from service.routes.common import DEFAULT_LIMIT, After, Limit, ResourceId
from service.schemas import BatchRequest, OnInvalid, PoolRequest, ShortText
from service.state import Services, State, TenantId
from service.strict_json import StrictRoute
from store import pools

router = APIRouter(prefix="/v1/pools", route_class=StrictRoute, tags=["pools"])

FEED_BYTES = 2**20  # parsed in one go in a thread, so that other requests are served meanwhile


@router.post("", status_code=201)
def create(body: PoolRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> dict[str, Any]:
    """Make an empty pool."""

    def store(session: Session) -> str:
        return pools.create(session, tenant_id, name=body.name, user_metadata=body.metadata).id

    return retrieve(once.run(body, store), state, tenant_id)


@router.get("")
def listing(
    state: Services, tenant_id: TenantId, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> dict[str, Any]:
    """All pools, newest first."""
    with state.database.transaction() as session:
        return views.page(pools.listing(session, tenant_id, after=after, limit=limit), limit, views.pool)


@router.get("/{pool_id}")
def retrieve(pool_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """One pool."""
    with state.database.transaction() as session:
        return views.pool(pools.get(session, tenant_id, pool_id))


@router.post(
    "/{pool_id}/batches",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                NDJSON: {"schema": {"type": "string", "description": "One record per line."}},
                "application/json": {"schema": BatchRequest.model_json_schema()},
            },
        }
    },
)
async def add_batch(
    pool_id: ResourceId,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    client_batch_id: Annotated[ShortText | None, Query()] = None,
    on_invalid: Annotated[OnInvalid, Query()] = "reject_batch",
) -> dict[str, Any]:
    """Append candidates, wholly or not at all; the same client_batch_id again returns the first batch.

    The parameters of the query go with NDJSON; a JSON body carries them itself.
    """
    kind = media_type(request.headers.get("content-type"))
    if kind not in (NDJSON, "application/json"):
        raise Problem(
            415, "unsupported_media_type", f"Send {NDJSON} or application/json, not {kind or 'nothing'}."
        )
    if kind == NDJSON:
        body = BatchRequest(records=[], client_batch_id=client_batch_id, on_invalid=on_invalid)
    else:
        body = await _json_body(request)
    known = await run_in_threadpool(_known_batch, state, tenant_id, pool_id, body.client_batch_id)
    if known:
        return known
    with BatchWriter(state.settings, body.on_invalid) as writer:
        if kind == NDJSON:
            await _stream(request, writer)
        else:
            await run_in_threadpool(writer.add, body.records)
        return await run_in_threadpool(_commit, state, tenant_id, pool_id, body, writer)


async def _stream(request: Request, writer: BatchWriter) -> None:
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= FEED_BYTES:
            await run_in_threadpool(writer.feed, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(writer.feed, bytes(waiting))


async def _json_body(request: Request) -> BatchRequest:
    try:
        return BatchRequest.model_validate_json(await request.body())
    except ValidationError as error:
        faults = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":
            raise Problem(
                400, "not_json", f"The body is not UTF-8 JSON: {faults[0]['ctx']['error']}."
            ) from None
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from None


def _known_batch(
    state: State, tenant_id: str, pool_id: str, client_batch_id: str | None
) -> dict[str, Any] | None:
    with state.database.transaction() as session:
        pools.get(session, tenant_id, pool_id)
        batch = pools.find_batch(session, pool_id, client_batch_id) if client_batch_id else None
        return views.batch(batch) if batch else None


def _commit(
    state: State, tenant_id: str, pool_id: str, body: BatchRequest, writer: BatchWriter
) -> dict[str, Any]:
    writer.finish()
    artifact = state.artifacts.put_file(f"{tenant_id}/pools", writer.path)
    with state.database.transaction() as session:
        row = pools.append(
            session,
            tenant_id,
            pool_id,
            artifact,
            writer.counts(),
            client_batch_id=body.client_batch_id,
            errors=writer.faults,
        )
        return views.batch(row)
