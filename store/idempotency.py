"""Idempotency-Key: the same key and body give the same resource, another body is refused."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.errors import Invalid
from store.models import IdempotencyKey


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


def remember(session: Session, tenant_id: str, key: str, fingerprint: str, resource_id: str) -> bool:
    """Record the answer in the transaction that creates it; False when another request was first."""
    row = insert(IdempotencyKey).values(
        tenant_id=tenant_id, key=key, fingerprint=fingerprint, resource_id=resource_id
    )
    inserted = session.execute(row.on_conflict_do_nothing().returning(IdempotencyKey.key))
    return inserted.scalar_one_or_none() is not None
