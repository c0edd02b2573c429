"""Tenants and their API keys: evs_<32 random characters><6 of checksum>, kept as peppered digests."""

import hashlib
import hmac
import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.accounts.scopes import Scope
from store.kit.ids import ALPHABET, new_id
from store.tables.accounts import ApiKey, Tenant

DEFAULT_TENANT = "default"
BODY = 32  # characters of entropy, 5 bits each
CHECK = 6


def _checksum(body: str) -> str:
    digest = hashlib.sha256(f"evs_{body}".encode()).digest()
    return "".join(ALPHABET[byte % 32] for byte in digest[:CHECK])


def generate_key() -> str:
    """A new secret; shown once, never stored."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY))
    return f"evs_{body}{_checksum(body)}"


def is_well_formed(secret: str) -> bool:
    """Whether the checksum holds: a typo is told from a wrong key without asking the database."""
    body = secret[4:-CHECK]
    shaped = secret.isascii() and secret.startswith("evs_") and len(body) == BODY
    return shaped and hmac.compare_digest(secret[-CHECK:], _checksum(body))


def digest(secret: str, pepper: str) -> str:
    """HMAC-SHA256 of a key under the deployment's pepper, in hex."""
    return hmac.new(pepper.encode(), secret.encode(), hashlib.sha256).hexdigest()


def ensure_tenant(session: Session, name: str) -> str:
    """The id of the tenant of that name, created when missing."""
    session.execute(insert(Tenant).values(id=new_id("ten"), name=name).on_conflict_do_nothing())
    return session.execute(select(Tenant.id).where(Tenant.name == name)).scalar_one()


def add_key(session: Session, tenant_id: str, *, name: str, secret: str, pepper: str) -> None:
    """Let `secret` do everything for the tenant; adding the same key again changes nothing."""
    row = insert(ApiKey).values(
        id=new_id("key"),
        tenant_id=tenant_id,
        name=name,
        digest=digest(secret, pepper),
        scopes=[Scope.ADMIN],
    )
    session.execute(row.on_conflict_do_nothing())
