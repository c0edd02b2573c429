"""The tables around a tenant's account: its keys, what was done, and who wants to hear of jobs.

Tenant -< ApiKey, IdempotencyKey, AuditEvent
Tenant -< WebhookEndpoint -< WebhookDelivery
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from store.kit.json import Json
from store.tables.base import Base, now, of_tenant


class AuditEvent(Base):
    """One change that a key made or was refused; no content, only names."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("audit_events_by_tenant", "tenant_id", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    key_id: Mapped[str]
    request_id: Mapped[str]
    method: Mapped[str]
    path: Mapped[str]
    status: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)


class WebhookEndpoint(Base):
    """An address of the tenant's; its signing secret is derived, never stored."""

    __tablename__ = "webhook_endpoints"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JSONB)
    description: Mapped[str | None]
    secret_version: Mapped[int] = mapped_column(server_default="1")
    disabled_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    """Attempts that failed since one succeeded."""
    failing_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    """Nothing is sent before; after it one message at a time, until one arrives."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class WebhookDelivery(Base):
    """One message for one endpoint, with its attempts; made in the transaction of the event."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "job_id", "sequence"),
        Index("webhook_deliveries_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index(
            "webhook_deliveries_by_endpoint",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    sequence: Mapped[int]
    type: Mapped[str]
    payload: Mapped[Json] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    leased_until: Mapped[datetime | None]
    """While an attempt is made."""
    response_status: Mapped[int | None]
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Tenant(Base):
    """Who owns rows; every query through the store names one."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = now()


class ApiKey(Base):
    """A bearer key; only its peppered digest is kept."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str] = mapped_column(server_default="")
    scopes: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = now()
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The answer that one Idempotency-Key already got."""

    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime] = now()
