"""Sets of target-task examples; they do not change."""

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.data import responses, views
from service.data.requests import TargetRequest
from service.data.stored import add_routes
from service.edge.idempotency import OnceOnly
from service.edge.labels import add_change
from service.http.parameters import LabelledListing, ResourceId, resource_id
from service.http.responses import Page
from service.http.strict_json import StrictRoute
from service.http.views import page
from service.intake.inputs import given_records
from service.services import Services, TenantId
from store.accounts.quotas import StorageQuota
from store.data import targets
from store.data.sources import Source

router = APIRouter(prefix="/v1/targets", route_class=StrictRoute, tags=["targets"])


@router.post("", status_code=201)
def create(body: TargetRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> responses.Target:
    """Store target examples; those that are held out become a target of their own, for evaluations.

    The same examples, held out in the same way, are found again (`found`) unless they come under another
    name or with other metadata.
    """
    rows = given_records(state, tenant_id, inline=body.records, file_id=body.file_id, layout=body.layout)
    examples, apart = rows, None
    if body.held_out:
        own, held = targets.split(rows.records, body.held_out.ratio, body.held_out.seed)
        examples, apart = rows.some(own), rows.some(held)
    made = False

    def store(session: Session) -> str:
        nonlocal made
        row, made = targets.kept(
            session,
            state.artifacts,
            tenant_id,
            (examples.records, examples.originals),
            apart=(apart.records, apart.originals) if apart else None,
            name=body.name,
            user_metadata=body.metadata,
            recognised=rows.recognised.as_json(),
            quota=StorageQuota.of(state.settings),
        )
        return row.id

    found = retrieve(once.run(body, store), state, tenant_id)
    return found.model_copy(update={"found": not made})


@router.get("")
def listing(state: Services, tenant_id: TenantId, window: LabelledListing) -> Page[responses.Target]:
    """All targets, newest first."""
    with state.database.transaction() as session:
        rows = targets.listing(session, tenant_id, window=window)
        return page(rows, window.limit, views.target)


@router.get("/{target_id}")
def retrieve(target_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Target:
    """One target."""
    with state.database.transaction() as session:
        return views.target(targets.get(session, tenant_id, target_id))


def _sources(session: Session, tenant_id: str, target_id: str) -> list[Source]:
    row = targets.get(session, tenant_id, target_id)
    return [Source("target", row.artifact, row.sha256, row.count)]


add_change(
    router,
    ("/{target_id}", resource_id("target_id")),
    row_of=targets.get,
    view=lambda session, row: views.target(row),
    shown=responses.Target,
)
add_routes(router, "target", _sources, targets.remove)
