"""Jobs that pick candidates for a target, and the items that they picked."""

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from service import answers
from service.estimates import estimate
from service.idempotency import OnceOnly
from service.inline import parse_all
from service.middleware import NDJSON, media_type
from service.problems import Problem
from service.room import require_room_for_job
from service.routes.common import ResourceId
from service.routes.jobs import accepted, job_routes, load
from service.routes.naming import known_model, stored_pool, stored_target
from service.schemas import SelectionRequest
from service.state import Services, State, TenantId
from store import jobs, pace, quotas, selected, submissions
from store.states import JobKind, JobStatus

router = job_routes(JobKind.SELECTION, "selections")

MAX_PAGE = 1000
ALL_ITEMS = 2**62


@router.post(
    "",
    status_code=202,
    response_model=answers.Job | answers.Estimate,
    responses={200: {"model": answers.Estimate, "description": "validate_only: nothing was stored."}},
)
def create(
    body: SelectionRequest,
    response: Response,
    state: Services,
    tenant_id: TenantId,
    once: OnceOnly,
    validate_only: Annotated[bool, Query(description="Only check, and say what it would cost.")] = False,
) -> dict[str, Any]:
    """Start a selection. Inline records become a target or a pool of their own."""
    limit = state.settings.max_inline_records
    target = None if body.target is None else parse_all(body.target, "/target", limit)
    candidates = None if body.candidates is None else parse_all(body.candidates, "/candidates", limit)

    def store(session: Session) -> str:
        require_room_for_job(session, state, tenant_id, JobKind.SELECTION)
        model = known_model(session, state, tenant_id, body.model or state.settings.default_model, "/model")
        for number, checkpoint in enumerate(body.features.checkpoints):
            pointer = f"/features/checkpoints/{number}/model"
            known_model(session, state, tenant_id, checkpoint.model, pointer)
        job = submissions.selection(
            session,
            tenant_id,
            target_id=body.target_id or stored_target(session, state, tenant_id, target),
            pool_id=body.pool_id or stored_pool(session, state, tenant_id, candidates),
            pool_version=body.pool_version,
            size=submissions.Size(body.k, body.ratio),
            settings={
                "spec": body.full_spec().model_dump(mode="json", by_alias=True),
                "features": body.features.model_dump(mode="json"),
                "model": model,
                "seed": body.seed,
            },
            exclude_selection_ids=body.exclude_selection_ids,
            feature_files=body.feature_files.model_dump() if body.feature_files else None,
            shard_rows=pace.shard_rows(session, tenant_id, model, state.settings),
            label=submissions.Label(body.name, body.metadata, body.priority),
        )
        quotas.require_k(job.request["k"], state.settings.max_k)
        return job.id

    if validate_only:
        response.status_code = 200
        return estimate(state, store)
    job = load(state, tenant_id, once.run(body, store), JobKind.SELECTION)
    return accepted(response, "selections", job)


@router.get("/{job_id}/items", response_model=None)
def items(
    job_id: ResourceId,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    after: Annotated[int, Query(ge=0, le=ALL_ITEMS, description="The last rank of the page before.")] = 0,
    limit: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """The selected candidates in order: JSON pages, or with `Accept: application/x-ndjson` all as lines."""
    stored = _stored(state, tenant_id, job_id, "items")
    if media_type(request.headers.get("accept")) == NDJSON:
        lines = selected.read(state.artifacts, stored, after=after, limit=limit or ALL_ITEMS)
        return StreamingResponse(_joined(lines), media_type=NDJSON)
    size = min(limit or MAX_PAGE, MAX_PAGE)
    texts = list(selected.read(state.artifacts, stored, after=after, limit=size))
    page = {
        "object": "list",
        "data": [orjson.Fragment(text) for text in texts],
        "has_more": after + len(texts) < stored["rows"],
    }
    return Response(orjson.dumps(page), media_type="application/json")


@router.get("/{job_id}/rejected", response_model=None)
def rejected(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Every candidate that could not be selected, with the reason, as lines in the order of the pool."""
    stored = _stored(state, tenant_id, job_id, "rejected")
    return Response(state.artifacts.get_bytes(stored["path"], stored["sha256"]), media_type=NDJSON)


def _stored(state: State, tenant_id: str, job_id: str, name: str) -> dict[str, Any]:
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, JobKind.SELECTION)
        if job.status != JobStatus.COMPLETED or job.result is None:
            detail = f"Selection {job_id} is {job.status}; its {name} are there once it is completed."
            raise Problem(409, "selection_not_completed", detail)
        stored: dict[str, Any] = job.result["artifacts"][name]
        return stored


def _joined(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines in pieces of about 64 KiB: one write per line would be slow."""
    buffer = bytearray()
    for line in lines:
        buffer += line + b"\n"
        if len(buffer) > 65_536:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)
