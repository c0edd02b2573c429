"""What answers about keys, the audit log and webhooks look like."""

from datetime import datetime
from typing import Literal

from service.http.responses import ResponseModel
from store.accounts.scopes import Scope


class ApiKey(ResponseModel):
    """A key without its secret."""

    id: str
    """Id, beginning with `key_`."""
    object: Literal["api_key"]
    """Always `api_key`."""
    name: str
    """What it is for."""
    scopes: list[Scope]
    """What it may do."""
    hint: str
    """The last characters of the secret, to tell keys apart."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it stops working because it was rotated; null unless it was."""
    revoked_at: datetime | None
    """When it was ended; null unless it was."""


class NewApiKey(ApiKey):
    """A key with its secret, which is shown this once."""

    secret: str | None
    """What to send as bearer token; null when an Idempotency-Key is sent again."""


class AuditEvent(ResponseModel):
    """One change that a key made or was refused."""

    id: str
    """Id, beginning with `aud_`."""
    object: Literal["audit_event"]
    """Always `audit_event`."""
    key_id: str
    """The key that asked."""
    request_id: str
    """The request, as in the service's log."""
    method: str
    """Its HTTP method."""
    path: str
    """Its path."""
    status: int
    """How it was answered, an HTTP status."""
    created_at: datetime
    """When it was answered."""


class Endpoint(ResponseModel):
    """An address that is told when jobs end."""

    id: str
    """Id, beginning with `whe_`."""
    object: Literal["webhook_endpoint"]
    """Always `webhook_endpoint`."""
    url: str
    """Where messages are sent."""
    events: list[str]
    """What it is told of."""
    description: str | None
    """What it is for."""
    status: Literal["enabled", "disabled"]
    """Nothing is sent to a disabled one."""
    disabled_reason: str | None
    """Why it was disabled; null while it is enabled."""
    paused_until: datetime | None
    """When sending goes on after failures in a row; null while it is not paused."""
    created_at: datetime
    """When it was registered."""


class NewEndpoint(Endpoint):
    """An endpoint with its secret."""

    secret: str
    """What messages are signed with, `whsec_...` (Standard Webhooks)."""


class MessageData(ResponseModel):
    """The job that ended."""

    id: str
    """Its id."""
    object: str
    """Its kind, such as `selection`."""
    status: str
    """How it ended."""


class Message(ResponseModel):
    """The body of a webhook."""

    type: str
    """What happened, such as `selection.completed`."""
    timestamp: datetime
    """When it happened."""
    data: MessageData
    """The job that it is about."""


class Delivery(ResponseModel):
    """One message for one endpoint."""

    id: str
    """Id, beginning with `msg_`; sent as `webhook-id`."""
    object: Literal["webhook_delivery"]
    """Always `webhook_delivery`."""
    endpoint_id: str
    """The endpoint that it is for."""
    job_id: str
    """The job that it is about."""
    type: str
    """What happened, such as `selection.completed`."""
    payload: Message
    """The message."""
    state: Literal["pending", "delivered", "failed"]
    """Failed: all retries were used up."""
    attempts: int
    """How often it was sent."""
    next_attempt_at: datetime | None
    """When it is sent next; null unless pending."""
    response_status: int | None
    """The HTTP status of the last answer; null where none came."""
    last_error: str | None
    """Why the last attempt failed; null unless it did."""
    delivered_at: datetime | None
    """When it was taken; null unless delivered."""
    created_at: datetime
    """When the job ended."""
