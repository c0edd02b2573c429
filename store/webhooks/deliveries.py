"""Webhook deliveries: taken when due, settled by the answer, tried again by a table, sent anew on request."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from store.errors import Conflict
from store.kit.json import Json
from store.tables import owned
from store.tables.accounts import WebhookDelivery, WebhookEndpoint
from store.tables.json_columns import storable
from store.tables.owned import Window
from store.webhooks import endpoints as webhooks

LEASE_SECONDS = 60  # a sender that fell silent for so long is replaced
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Waits after the first failed attempt, the second, ...: 3.4 days in all, as Standard Webhooks proposes."""
GONE = 410  # the receiver wants no more
PER_ENDPOINT = 2  # messages in flight
PER_TENANT = 4
BREAKS_AFTER = 5  # failures of an endpoint in a row; then it is paused
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30, 3600  # the first pause, which doubles, and the longest
GIVEN_UP_SECONDS = 5 * 86_400  # an endpoint that was paused so long ago, and still fails, is disabled

ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtext('webhook deliveries'))")
IN_TURNS = text(
    """
    with flying as (
      select endpoint_id, tenant_id from webhook_deliveries
      where state = 'pending' and leased_until > clock_timestamp()
    ),
    due as (
      select next.* from webhook_endpoints endpoint, lateral (
        select id, endpoint_id, tenant_id, next_attempt_at from webhook_deliveries
        where endpoint_id = endpoint.id and state = 'pending' and next_attempt_at <= clock_timestamp()
        order by next_attempt_at
        limit greatest(0,
          case when endpoint.failures >= :breaks then 1 else :per_endpoint end
          - (select count(*) from flying where endpoint_id = endpoint.id))
      ) next
      where endpoint.disabled_reason is null
        and (endpoint.paused_until is null or endpoint.paused_until <= clock_timestamp())
    ),
    turns as (
      select id, next_attempt_at, row_number() over (partition by tenant_id order by next_attempt_at)
        + (select count(*) from flying where flying.tenant_id = due.tenant_id) as turn
      from due
    )
    select id from turns where turn <= :per_tenant order by turn, next_attempt_at limit :limit
    """
)


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
    """Lease what is due, in turns: the first message of each tenant, then the second, ...

    Of a tenant at most PER_TENANT are in flight, of an endpoint PER_ENDPOINT, and one of an endpoint that has
    failed so often that it is paused. Another sender passes over what is leased until the lease ends.
    """
    session.execute(ONE_AT_A_TIME)
    counts = {"limit": limit, "breaks": BREAKS_AFTER, "per_endpoint": PER_ENDPOINT, "per_tenant": PER_TENANT}
    ids = session.scalars(IN_TURNS, counts).all()
    due = select(WebhookDelivery).where(WebhookDelivery.id.in_(ids)).with_for_update(skip_locked=True)
    return [_lease(session, row) for row in session.scalars(due).all()]


def _lease(session: Session, row: WebhookDelivery) -> Due:
    endpoint = session.get_one(WebhookEndpoint, row.endpoint_id)
    row.attempts += 1
    row.leased_until = row.next_attempt_at = func.clock_timestamp() + timedelta(seconds=LEASE_SECONDS)
    return Due(row.id, endpoint.id, endpoint.url, endpoint.secret_version, row.payload, row.attempts)


def settle(session: Session, due: Due, status: int | None, error: str | None) -> None:
    """Write down what came of an attempt; nothing when a later attempt has begun meanwhile."""
    endpoint = session.scalar(  # before the rows of its deliveries: two of them cannot deadlock
        select(WebhookEndpoint).where(WebhookEndpoint.id == due.endpoint_id).with_for_update()
    )
    row = session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == due.id, WebhookDelivery.attempts == due.attempt)
        .with_for_update()
    )
    if endpoint is None or row is None or row.state != "pending":
        return
    row.leased_until, row.response_status = None, status
    row.last_error = None if error is None else storable(error)
    if status is not None and 200 <= status < 300:
        row.state, row.delivered_at = "delivered", func.clock_timestamp()
        webhooks.mend(endpoint)
        return
    _note_failure(session, endpoint)
    if status == GONE:
        row.state = "failed"
        _disable(session, endpoint, "the receiver answered 410 Gone")
    elif due.attempt > len(RETRY_SECONDS):
        row.state = "failed"
    else:
        wait = timedelta(seconds=RETRY_SECONDS[due.attempt - 1])
        row.next_attempt_at = func.clock_timestamp() + wait


def _note_failure(session: Session, endpoint: WebhookEndpoint) -> None:
    """Pause an endpoint that fails again and again, longer each time; in the end it is disabled."""
    endpoint.failures += 1
    if endpoint.failures < BREAKS_AFTER:
        return
    pause = min(PAUSE_SECONDS * 2 ** (endpoint.failures - BREAKS_AFTER), LONGEST_PAUSE_SECONDS)
    endpoint.paused_until = func.clock_timestamp() + timedelta(seconds=pause)
    endpoint.failing_since = func.coalesce(WebhookEndpoint.failing_since, func.clock_timestamp())
    session.flush()
    long_ago = WebhookEndpoint.failing_since < func.clock_timestamp() - timedelta(seconds=GIVEN_UP_SECONDS)
    if session.scalar(select(long_ago).where(WebhookEndpoint.id == endpoint.id)):
        _disable(session, endpoint, f"nothing arrived there for {GIVEN_UP_SECONDS // 86_400} days")


def get(session: Session, tenant_id: str, delivery_id: str) -> WebhookDelivery:
    """The tenant's delivery; raises NotFound."""
    return owned.get(session, WebhookDelivery, tenant_id, delivery_id, noun="webhook delivery")


def listing(
    session: Session,
    tenant_id: str,
    *,
    window: Window,
    endpoint_id: str | None = None,
    state: str | None = None,
) -> list[WebhookDelivery]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    where = []
    if endpoint_id:
        where.append(WebhookDelivery.endpoint_id == endpoint_id)
    if state:
        where.append(WebhookDelivery.state == state)
    return owned.listed(session, WebhookDelivery, tenant_id, *where, window=window)


def redeliver(session: Session, tenant_id: str, delivery_id: str) -> WebhookDelivery:
    """Send it again now, with all retries; Conflict while its endpoint is disabled."""
    row = get(session, tenant_id, delivery_id)
    endpoint = session.get_one(WebhookEndpoint, row.endpoint_id)
    if endpoint.disabled_reason is not None:
        raise Conflict(
            f"webhook endpoint {endpoint.id} is disabled ({endpoint.disabled_reason}): enable it first",
            code="endpoint_disabled",
        )
    row.state, row.attempts, row.delivered_at, row.leased_until = "pending", 0, None, None
    endpoint.paused_until = None
    row.next_attempt_at = func.clock_timestamp()
    session.flush()
    session.refresh(row)
    return row


def _disable(session: Session, endpoint: WebhookEndpoint, reason: str) -> None:
    """No message goes there until it is enabled; those that wait have failed."""
    endpoint.disabled_reason = reason
    waiting = (WebhookDelivery.endpoint_id == endpoint.id) & (WebhookDelivery.state == "pending")
    session.execute(update(WebhookDelivery).where(waiting).values(state="failed", last_error=reason))
