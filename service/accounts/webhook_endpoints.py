"""Addresses that are told when jobs end."""

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from service.accounts import responses, views
from service.accounts.requests import EndpointRequest
from service.edge.idempotency import OnceOnly
from service.http.parameters import Listing, ResourceId
from service.http.problems import Problem
from service.http.responses import Page
from service.http.strict_json import StrictRoute
from service.http.views import page
from service.services import Services, State, TenantId
from store.kit import egress
from store.tables.accounts import WebhookEndpoint
from store.webhooks import endpoints as webhooks

router = APIRouter(prefix="/v1/webhook_endpoints", route_class=StrictRoute, tags=["webhooks"])


@router.post("", status_code=201)
def create(
    body: EndpointRequest, state: Services, tenant_id: TenantId, once: OnceOnly
) -> responses.NewEndpoint:
    """Register an https URL. Its secret verifies the signatures (Standard Webhooks)."""
    _check(state, body.url)

    def store(session: Session) -> str:
        return webhooks.create(
            session, tenant_id, url=body.url, events=body.events, description=body.description
        ).id

    endpoint_id = once.run(body, store)
    with state.database.transaction() as session:
        return _with_secret(state, webhooks.get(session, tenant_id, endpoint_id))


@router.get("")
def listing(state: Services, tenant_id: TenantId, window: Listing) -> Page[responses.Endpoint]:
    """All endpoints, newest first."""
    with state.database.transaction() as session:
        rows = webhooks.listing(session, tenant_id, window=window)
        return page(rows, window.limit, views.webhook_endpoint)


@router.get("/{endpoint_id}")
def retrieve(endpoint_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Endpoint:
    """One endpoint, without its secret."""
    with state.database.transaction() as session:
        return views.webhook_endpoint(webhooks.get(session, tenant_id, endpoint_id))


@router.delete("/{endpoint_id}", status_code=204)
def remove(endpoint_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Delete the endpoint and its deliveries."""
    with state.database.transaction() as session:
        webhooks.remove(session, tenant_id, endpoint_id)
    return Response(status_code=204)


@router.post("/{endpoint_id}/rotate_secret")
def rotate_secret(endpoint_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.NewEndpoint:
    """A new secret; messages carry signatures by the new one and by the one before."""
    with state.database.transaction() as session:
        return _with_secret(state, webhooks.rotate_secret(session, tenant_id, endpoint_id))


@router.post("/{endpoint_id}/enable")
def enable(endpoint_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Endpoint:
    """Send to an endpoint again that was disabled because it answered 410."""
    with state.database.transaction() as session:
        return views.webhook_endpoint(webhooks.enable(session, tenant_id, endpoint_id))


def _check(state: State, url: str) -> None:
    try:
        egress.check_literal(egress.parse(url), egress.networks(state.settings.webhook_networks))
    except egress.Refused as reason:
        detail = f"{reason}."
        raise Problem(422, "url_refused", detail, errors=[{"pointer": "/url", "detail": detail}]) from None


def _with_secret(state: State, row: WebhookEndpoint) -> responses.NewEndpoint:
    pepper = state.settings.key_pepper.get_secret_value()
    return views.with_secret(row, webhooks.secret(row.id, row.secret_version, pepper))
