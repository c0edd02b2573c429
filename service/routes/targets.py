"""Sets of target-task examples; they do not change."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service import views
from service.idempotency import OnceOnly
from service.inline import parse_all
from service.routes.common import DEFAULT_LIMIT, After, Limit, ResourceId
from service.schemas import TargetRequest
from service.state import Services, TenantId
from service.strict_json import StrictRoute
from store import targets

router = APIRouter(prefix="/v1/targets", route_class=StrictRoute, tags=["targets"])


@router.post("", status_code=201)
def create(body: TargetRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> dict[str, Any]:
    """Store target examples."""
    records = parse_all(body.records, "/records", state.settings.max_inline_records)

    def store(session: Session) -> str:
        row = targets.create(
            session, state.artifacts, tenant_id, records, name=body.name, user_metadata=body.metadata
        )
        return row.id

    return retrieve(once.run(body, store), state, tenant_id)


@router.get("")
def listing(
    state: Services, tenant_id: TenantId, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> dict[str, Any]:
    """All targets, newest first."""
    with state.database.transaction() as session:
        rows = targets.listing(session, tenant_id, after=after, limit=limit)
        return views.page(rows, limit, views.target)


@router.get("/{target_id}")
def retrieve(target_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """One target."""
    with state.database.transaction() as session:
        return views.target(targets.get(session, tenant_id, target_id))
