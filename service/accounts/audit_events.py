"""The audit log: who changed what, newest first."""

from fastapi import APIRouter

from service.accounts import responses, views
from service.http.fair import FairRoute
from service.http.parameters import Listing
from service.http.responses import Page
from service.http.views import page
from service.services import Services, TenantId
from store.accounts import audit

router = APIRouter(prefix="/v1/audit_events", route_class=FairRoute, tags=["audit_events"])


@router.get("")
def listing(state: Services, tenant_id: TenantId, window: Listing) -> Page[responses.AuditEvent]:
    """Every change that a key made, and every request that its scopes did not cover."""
    with state.database.transaction() as session:
        rows = audit.listing(session, tenant_id, window=window)
        return page(rows, window.limit, views.audit_event)
