"""Webhook endpoints, their secrets, and the messages promised to them when jobs end.

Messages and signatures follow Standard Webhooks (https://www.standardwebhooks.com). A secret is derived
from the deployment's pepper, so a copy of the database signs nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from store.errors import OverQuota
from store.kit.ids import new_id
from store.tables import owned
from store.tables.accounts import WebhookDelivery, WebhookEndpoint
from store.tables.jobs import Job
from store.tables.owned import Window
from store.tables.states import TERMINAL, JobKind

TYPES = tuple(f"{kind}.{status}" for kind in JobKind for status in sorted(TERMINAL))
MAX_ENDPOINTS = 20  # of one tenant


def create(
    session: Session, tenant_id: str, *, url: str, events: Sequence[str], description: str | None
) -> WebhookEndpoint:
    """A new endpoint; the URL has been checked."""
    held = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id)
    if (count := session.scalar(held) or 0) >= MAX_ENDPOINTS:
        raise OverQuota(f"there are {count} webhook endpoints, the limit: delete one first", retry_after=60)
    row = WebhookEndpoint(
        id=new_id("whe"), tenant_id=tenant_id, url=url, events=list(events), description=description
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def get(session: Session, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
    """The tenant's endpoint; raises NotFound."""
    return owned.get(session, WebhookEndpoint, tenant_id, endpoint_id, noun="webhook endpoint")


def listing(session: Session, tenant_id: str, *, window: Window) -> list[WebhookEndpoint]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    return owned.listed(session, WebhookEndpoint, tenant_id, window=window)


def remove(session: Session, tenant_id: str, endpoint_id: str) -> None:
    """Delete the endpoint and its deliveries."""
    get(session, tenant_id, endpoint_id)
    session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id))


def rotate_secret(session: Session, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
    """A new secret; messages are signed with the one before as well, until the next rotation."""
    row = get(session, tenant_id, endpoint_id)
    row.secret_version = WebhookEndpoint.secret_version + 1
    session.flush()
    session.refresh(row)
    return row


def enable(session: Session, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
    """Send to it again; what was missed can be redelivered."""
    row = get(session, tenant_id, endpoint_id)
    row.disabled_reason = None
    mend(row)
    return row


def mend(row: WebhookEndpoint) -> None:
    """It takes messages again, as far as anybody knows."""
    if row.failures or row.paused_until is not None:
        row.failures, row.failing_since, row.paused_until = 0, None, None


def promise(session: Session, job: Job, sequence: int) -> None:
    """In the transaction that ends a job: one delivery for each endpoint that wants to hear of it."""
    kind = f"{job.kind}.{job.status}"
    if kind not in TYPES:
        return
    wanted = select(WebhookEndpoint).where(
        WebhookEndpoint.tenant_id == job.tenant_id,
        WebhookEndpoint.disabled_reason.is_(None),
        WebhookEndpoint.events.contains([kind]),
    )
    for endpoint in session.scalars(wanted):
        data = {"id": job.id, "object": job.kind, "status": job.status}
        payload = {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": data}
        session.add(
            WebhookDelivery(
                id=new_id("msg"),
                tenant_id=job.tenant_id,
                endpoint_id=endpoint.id,
                job_id=job.id,
                sequence=sequence,
                type=kind,
                payload=payload,
            )
        )


def secret(endpoint_id: str, version: int, pepper: str) -> str:
    """whsec_ and 32 bytes in base 64."""
    return "whsec_" + base64.b64encode(_key(endpoint_id, version, pepper)).decode()


def sign(endpoint_id: str, version: int, pepper: str, *, message_id: str, sent_at: int, body: bytes) -> str:
    """The webhook-signature header: by the present secret, and by the one before it."""
    content = f"{message_id}.{sent_at}.".encode() + body
    versions = [version, version - 1] if version > 1 else [version]
    digests = (hmac.digest(_key(endpoint_id, each, pepper), content, "sha256") for each in versions)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def _key(endpoint_id: str, version: int, pepper: str) -> bytes:
    return hmac.new(pepper.encode(), f"webhook {endpoint_id} {version}".encode(), hashlib.sha256).digest()
