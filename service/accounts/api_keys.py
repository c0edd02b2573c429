"""API keys of the tenant: made, listed, rotated with an overlap, revoked."""

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.accounts import responses, views
from service.accounts.requests import ApiKeyRequest, RotateRequest
from service.edge.idempotency import OnceOnly
from service.http.parameters import Listing, ResourceId
from service.http.responses import Page
from service.http.strict_json import StrictRoute
from service.http.views import page
from service.services import Services, State, TenantId
from store.accounts import api_keys

router = APIRouter(prefix="/v1/api_keys", route_class=StrictRoute, tags=["api_keys"])


@router.post("", status_code=201)
def create(body: ApiKeyRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> responses.NewApiKey:
    """Make a key. Its secret is in this answer and nowhere else."""
    secrets: list[str] = []

    def store(session: Session) -> str:
        row, secret = api_keys.create(
            session, tenant_id, name=body.name, scopes=body.scopes, pepper=_pepper(state)
        )
        secrets.append(secret)
        return row.id

    return _with_secret(once.run(body, store), secrets, state, tenant_id)


@router.get("")
def listing(state: Services, tenant_id: TenantId, window: Listing) -> Page[responses.ApiKey]:
    """All keys, newest first, revoked ones too."""
    with state.database.transaction() as session:
        rows = api_keys.listing(session, tenant_id, window=window)
        return page(rows, window.limit, views.api_key)


@router.get("/{key_id}")
def retrieve(key_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.ApiKey:
    """One key, without its secret."""
    with state.database.transaction() as session:
        return views.api_key(api_keys.get(session, tenant_id, key_id))


@router.post("/{key_id}/rotate", status_code=201)
def rotate(
    *, key_id: ResourceId, body: RotateRequest, state: Services, tenant_id: TenantId, once: OnceOnly
) -> responses.NewApiKey:
    """Make a key with the same name and scopes; the old one works until the overlap is over."""
    secrets: list[str] = []

    def store(session: Session) -> str:
        overlap = timedelta(seconds=body.overlap_seconds)
        row, secret = api_keys.rotate(session, tenant_id, key_id, overlap=overlap, pepper=_pepper(state))
        secrets.append(secret)
        return row.id

    return _with_secret(once.run(body, store), secrets, state, tenant_id)


@router.delete("/{key_id}")
def revoke(key_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.ApiKey:
    """End a key; it stops working within a second."""
    with state.database.transaction() as session:
        return views.api_key(api_keys.revoke(session, tenant_id, key_id))


def _pepper(state: State) -> str:
    return state.settings.key_pepper.get_secret_value()


def _with_secret(key_id: str, secrets: list[str], state: State, tenant_id: str) -> responses.NewApiKey:
    with state.database.transaction() as session:
        row = api_keys.get(session, tenant_id, key_id)
        return responses.NewApiKey.of_row(row, secret=secrets[0] if secrets else None)
