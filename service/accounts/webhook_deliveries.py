"""What was sent to webhook endpoints, with the attempts, and sending it again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from service.accounts import responses, views
from service.http.fair import FairRoute
from service.http.parameters import ID_PATTERN, MAX_ID, Listing, ResourceId
from service.http.responses import Page
from service.http.views import page
from service.services import Services, TenantId
from store.webhooks import deliveries

router = APIRouter(prefix="/v1/webhook_deliveries", route_class=FairRoute, tags=["webhooks"])


@router.get("")
def listing(
    *,
    state: Services,
    tenant_id: TenantId,
    window: Listing,
    endpoint_id: Annotated[
        str | None, Query(pattern=ID_PATTERN, max_length=MAX_ID, description="Only those for this endpoint.")
    ] = None,
    delivery_state: Annotated[
        Literal["pending", "delivered", "failed"] | None,
        Query(alias="state", description="Only those in this state."),
    ] = None,
) -> Page[responses.Delivery]:
    """All deliveries, newest first."""
    with state.database.transaction() as session:
        rows = deliveries.listing(
            session, tenant_id, window=window, endpoint_id=endpoint_id, state=delivery_state
        )
        return page(rows, window.limit, views.webhook_delivery)


@router.get("/{delivery_id}")
def retrieve(delivery_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Delivery:
    """One delivery."""
    with state.database.transaction() as session:
        return views.webhook_delivery(deliveries.get(session, tenant_id, delivery_id))


@router.post("/{delivery_id}/redeliver", status_code=202)
def redeliver(delivery_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Delivery:
    """Send it again now, under the same webhook-id, with all retries."""
    with state.database.transaction() as session:
        return views.webhook_delivery(deliveries.redeliver(session, tenant_id, delivery_id))
