"""What answers about keys, the audit log and webhooks look like."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from store.accounts.scopes import Scope
from store.kit.json import Json


class ApiKey(BaseModel):
    """A key without its secret."""

    id: str
    object: Literal["api_key"]
    name: str
    scopes: list[Scope]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewApiKey(ApiKey):
    """A key with its secret, which is shown this once; null when an Idempotency-Key is sent again."""

    secret: str | None


class AuditEvent(BaseModel):
    """One change that a key made or was refused."""

    id: str
    object: Literal["audit_event"]
    key_id: str
    request_id: str
    method: str
    path: str
    status: int
    created_at: datetime


class Endpoint(BaseModel):
    """An address that is told when jobs end."""

    id: str
    object: Literal["webhook_endpoint"]
    url: str
    events: list[str]
    description: str | None
    status: Literal["enabled", "disabled"]
    disabled_reason: str | None
    paused_until: datetime | None
    created_at: datetime


class NewEndpoint(Endpoint):
    """An endpoint with the secret that verifies its messages."""

    secret: str


class Delivery(BaseModel):
    """One message for one endpoint."""

    id: str
    object: Literal["webhook_delivery"]
    endpoint_id: str
    job_id: str
    type: str
    payload: Json
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    next_attempt_at: datetime | None
    response_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime
