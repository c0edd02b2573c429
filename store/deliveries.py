"""Webhook deliveries: taken when due, settled by the answer, tried again by a table, sent anew on request."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from store import owned
from store.account_models import WebhookDelivery, WebhookEndpoint
from store.errors import Conflict
from store.json_columns import storable
from store.models import Json

LEASE_SECONDS = 60  # a sender that fell silent for so long is replaced
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Waits after the first failed attempt, the second, ...: 3.4 days in all, as Standard Webhooks proposes."""
GONE = 410  # the receiver wants no more


@dataclass(frozen=True, slots=True)
class Due:
    """One attempt to make."""

    id: str
    endpoint_id: str
    url: str
    secret_version: int
    payload: Json
    attempt: int


def take(session: Session, limit: int) -> list[Due]:
    """Lease what is due; another sender passes it over until the lease ends."""
    due = (
        select(WebhookDelivery)
        .where(WebhookDelivery.state == "pending", WebhookDelivery.next_attempt_at <= func.clock_timestamp())
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for row in session.scalars(due).all():
        endpoint = session.get_one(WebhookEndpoint, row.endpoint_id)
        row.attempts += 1
        row.next_attempt_at = func.clock_timestamp() + timedelta(seconds=LEASE_SECONDS)
        version = endpoint.secret_version
        taken.append(Due(row.id, endpoint.id, endpoint.url, version, row.payload, row.attempts))
    return taken


def settle(session: Session, due: Due, status: int | None, error: str | None) -> None:
    """Write down what came of an attempt; nothing when a later attempt has begun meanwhile."""
    if status == GONE:  # the endpoint's row before those of its deliveries: two of them cannot deadlock
        session.execute(
            select(WebhookEndpoint.id).where(WebhookEndpoint.id == due.endpoint_id).with_for_update()
        )
    row = session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == due.id, WebhookDelivery.attempts == due.attempt)
        .with_for_update()
    )
    if row is None or row.state != "pending":
        return
    row.response_status, row.last_error = status, None if error is None else storable(error)
    if status is not None and 200 <= status < 300:
        row.state, row.delivered_at = "delivered", func.clock_timestamp()
    elif status == GONE:
        row.state = "failed"
        _disable(session, row.endpoint_id, "the receiver answered 410 Gone")
    elif due.attempt > len(RETRY_SECONDS):
        row.state = "failed"
    else:
        wait = timedelta(seconds=RETRY_SECONDS[due.attempt - 1])
        row.next_attempt_at = func.clock_timestamp() + wait


def get(session: Session, tenant_id: str, delivery_id: str) -> WebhookDelivery:
    """The tenant's delivery; raises NotFound."""
    return owned.get(session, WebhookDelivery, "webhook delivery", tenant_id, delivery_id)


def listing(
    session: Session,
    tenant_id: str,
    *,
    after: str | None,
    limit: int,
    endpoint_id: str | None = None,
    state: str | None = None,
) -> list[WebhookDelivery]:
    """Newest first, at most limit + 1 rows."""
    where = []
    if endpoint_id:
        where.append(WebhookDelivery.endpoint_id == endpoint_id)
    if state:
        where.append(WebhookDelivery.state == state)
    return owned.newest_first(session, WebhookDelivery, tenant_id, *where, after=after, limit=limit)


def redeliver(session: Session, tenant_id: str, delivery_id: str) -> WebhookDelivery:
    """Send it again now, with all retries; Conflict while its endpoint is disabled."""
    row = get(session, tenant_id, delivery_id)
    endpoint = session.get_one(WebhookEndpoint, row.endpoint_id)
    if endpoint.disabled_reason is not None:
        raise Conflict(
            f"webhook endpoint {endpoint.id} is disabled ({endpoint.disabled_reason}): enable it first",
            code="endpoint_disabled",
        )
    row.state, row.attempts, row.delivered_at = "pending", 0, None
    row.next_attempt_at = func.clock_timestamp()
    session.flush()
    session.refresh(row)
    return row


def _disable(session: Session, endpoint_id: str, reason: str) -> None:
    """No message goes there until it is enabled; those that wait have failed."""
    endpoint = session.get_one(WebhookEndpoint, endpoint_id)
    endpoint.disabled_reason = reason
    waiting = (WebhookDelivery.endpoint_id == endpoint_id) & (WebhookDelivery.state == "pending")
    session.execute(update(WebhookDelivery).where(waiting).values(state="failed", last_error=reason))
