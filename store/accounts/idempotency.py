"""Idempotency-Key: the same key and body give the same resource, another body is refused."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from store.errors import Conflict, Invalid
from store.tables.accounts import IdempotencyKey

KEPT_HOURS = 48  # a key is remembered for at least 24 h; the rest is room for clocks and late retries


def hold(session: Session, tenant_id: str, key: str) -> None:
    """Keep other requests with this key away until the transaction ends; Conflict when one is under way."""
    number = func.hashtextextended(f"{tenant_id} {key}", 0)
    if not session.scalar(select(func.pg_try_advisory_xact_lock(number))):
        raise Conflict(
            f"a request with Idempotency-Key {key!r} is under way: send yours again in a second",
            code="idempotency_in_flight",
            retry_after=1,
        )


def replay(session: Session, tenant_id: str, key: str, fingerprint: str) -> str | None:
    """The id that this key already produced, or None; raises Invalid when the body was another one."""
    row = session.get(IdempotencyKey, (tenant_id, key))
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise Invalid(
            f"Idempotency-Key {key!r} was used with another request body: send a new key",
            code="idempotency_mismatch",
        )
    return row.resource_id


def remember(session: Session, tenant_id: str, key: str, *, fingerprint: str, resource_id: str) -> None:
    """Record the answer in the transaction that creates it; the caller holds the key."""
    session.add(
        IdempotencyKey(tenant_id=tenant_id, key=key, fingerprint=fingerprint, resource_id=resource_id)
    )


def forget(session: Session) -> None:
    """Delete keys whose time is over."""
    old = IdempotencyKey.created_at < func.clock_timestamp() - timedelta(hours=KEPT_HOURS)
    session.execute(delete(IdempotencyKey).where(old))
