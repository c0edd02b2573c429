"""Sets of target-task examples; they do not change."""

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from service.data import answers, records, views
from service.data.requests import TargetRequest
from service.edge.idempotency import OnceOnly
from service.http.answers import Deleted, Page
from service.http.parameters import DEFAULT_LIMIT, After, AfterNumber, Limit, ResourceId, Search
from service.http.strict_json import StrictRoute
from service.http.views import as_response, deleted, page
from service.intake.naming import given_records
from service.services import Services, TenantId
from store.accounts.quotas import Room
from store.data import targets
from store.data.sources import Source
from store.records.record import Record

router = APIRouter(prefix="/v1/targets", route_class=StrictRoute, tags=["targets"])


@router.post("", status_code=201, response_model=answers.Target)
def create(body: TargetRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> dict[str, Any]:
    """Store target examples; those that are held out become a target of their own, for evaluations."""
    examples, recognised = given_records(state, tenant_id, body.records, body.file_id, body.layout)
    apart: list[Record] = []
    if body.held_out:
        examples, apart = targets.split(examples, body.held_out.ratio, body.held_out.seed)

    room = Room.of(state.settings)

    def store(session: Session) -> str:
        held_out = targets.create(session, state.artifacts, tenant_id, apart, room=room) if apart else None
        row = targets.create(
            session,
            state.artifacts,
            tenant_id,
            examples,
            name=body.name,
            user_metadata=body.metadata,
            held_out_target_id=held_out.id if held_out else None,
            recognised=recognised.as_json(),
            room=room,
        )
        return row.id

    return retrieve(once.run(body, store), state, tenant_id)


@router.get("", response_model=Page[answers.Target])
def listing(
    state: Services, tenant_id: TenantId, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> dict[str, Any]:
    """All targets, newest first."""
    with state.database.transaction() as session:
        rows = targets.listing(session, tenant_id, after=after, limit=limit)
        return page(rows, limit, views.target)


@router.get("/{target_id}", response_model=answers.Target)
def retrieve(target_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """One target."""
    with state.database.transaction() as session:
        return views.target(targets.get(session, tenant_id, target_id))


@router.get("/{target_id}/records", response_model=answers.RecordPage)
def stored_records(
    target_id: ResourceId,
    state: Services,
    tenant_id: TenantId,
    after: AfterNumber = 0,
    limit: Limit = DEFAULT_LIMIT,
    search: Search = None,
) -> Response:
    """The examples in their order."""
    with state.database.transaction() as session:
        row = targets.get(session, tenant_id, target_id)
    sources = [Source("target", row.artifact, row.sha256, row.count)]
    return as_response(records.page(state, sources, after, limit, search))


@router.delete("/{target_id}", response_model=Deleted)
def delete(target_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """Delete it; 409 while a job that has not ended needs it. What was made from it stays."""
    with state.database.transaction() as session:
        targets.remove(session, tenant_id, target_id)
    return deleted("target", target_id)
