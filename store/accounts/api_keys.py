"""API keys as rows: who a secret acts for, made, listed, rotated with an overlap, revoked."""

import hmac
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from store.accounts import tenants
from store.accounts.scopes import Scope
from store.errors import Conflict
from store.kit.ids import new_id
from store.tables import owned
from store.tables.accounts import ApiKey
from store.tables.owned import Window

HINT = 4  # last characters of a secret that listings show; they are of its checksum


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for."""

    tenant_id: str
    key_id: str
    scopes: frozenset[str]


def principal_of(session: Session, secret: str, pepper: str) -> Principal | None:
    """Whose key this is; None for a malformed, unknown, revoked or expired one."""
    if not tenants.is_well_formed(secret):
        return None
    digest = tenants.digest(secret, pepper)
    row = session.execute(
        select(ApiKey.id, ApiKey.tenant_id, ApiKey.scopes, ApiKey.digest).where(
            ApiKey.digest == digest, _works()
        )
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    return Principal(row.tenant_id, row.id, frozenset(row.scopes))


def principal_with_id(session: Session, key_id: str) -> Principal | None:
    """Who a key acts for whose secret was seen before; None for a revoked or expired one."""
    row = session.scalar(select(ApiKey).where(ApiKey.id == key_id, _works()))
    return None if row is None else Principal(row.tenant_id, row.id, frozenset(row.scopes))


def create(
    session: Session, tenant_id: str, *, name: str, scopes: list[Scope], pepper: str
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is not kept."""
    secret = tenants.generate_key()
    row = ApiKey(
        id=new_id("key"),
        tenant_id=tenant_id,
        name=name,
        scopes=[str(scope) for scope in scopes],
        digest=tenants.digest(secret, pepper),
        hint=secret[-HINT:],
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return row, secret


def get(session: Session, tenant_id: str, key_id: str) -> ApiKey:
    """The tenant's key; raises NotFound."""
    return owned.get(session, ApiKey, tenant_id, key_id, noun="API key")


def listing(session: Session, tenant_id: str, *, window: Window) -> list[ApiKey]:
    """Newest first unless the window says else, at most limit + 1 rows; revoked ones too."""
    return owned.listed(session, ApiKey, tenant_id, window=window)


def rotate(
    session: Session, tenant_id: str, key_id: str, *, overlap: timedelta, pepper: str
) -> tuple[ApiKey, str]:
    """A new key like the old one, which ends after the overlap; Conflict when it does not work any more."""
    old = _lock_working(session, tenant_id, key_id)
    old.expires_at = func.least(old.expires_at, func.clock_timestamp() + overlap)
    return create(
        session, tenant_id, name=old.name, scopes=[Scope(name) for name in old.scopes], pepper=pepper
    )


def revoke(session: Session, tenant_id: str, key_id: str) -> ApiKey:
    """End a key now; revoking it again changes nothing. Conflict for the last one that may manage keys."""
    get(session, tenant_id, key_id)
    working = session.scalars(select(ApiKey).where(ApiKey.tenant_id == tenant_id, _works()).with_for_update())
    admins = [key.id for key in working if Scope.ADMIN in key.scopes]
    if admins == [key_id]:
        raise Conflict(
            f"API key {key_id} is the last one with scope admin: make another before you revoke it",
            code="last_admin_key",
        )
    row = get(session, tenant_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = func.clock_timestamp()
    session.flush()
    session.refresh(row)
    return row


def _lock_working(session: Session, tenant_id: str, key_id: str) -> ApiKey:
    get(session, tenant_id, key_id)
    row = session.scalar(select(ApiKey).where(ApiKey.id == key_id, _works()).with_for_update())
    if row is None:
        raise Conflict(f"API key {key_id} was revoked or has expired: make a new one", code="api_key_ended")
    return row


def _works() -> ColumnElement[bool]:
    return ApiKey.revoked_at.is_(None) & or_(
        ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp()
    )
