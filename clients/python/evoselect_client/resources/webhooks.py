"""Webhook endpoints and what was sent to them; evoselect_client.webhooks reads the messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from evoselect_client.core.calls import segment
from evoselect_client.core.nouns import PAGE_SIZE, Nouns, pages
from evoselect_client.core.resource import Bound
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Listing, Mode, Raw, Steps, Values, Verb


class WebhookEndpoint(Bound[Any]):
    """An https URL that is told when jobs end; `secret` verifies its messages (Standard Webhooks)."""

    url: str
    events: list[str]
    description: str | None = None
    status: str
    disabled_reason: str | None = None
    paused_until: datetime | None = None
    secret: str | None = None
    created_at: datetime


class WebhookDelivery(Bound[Any]):
    """One message for one endpoint; `state` is pending, delivered or failed."""

    endpoint_id: str
    job_id: str
    type: str
    payload: dict[str, Any]
    state: str
    attempts: int
    response_status: int | None = None
    last_error: str | None = None
    delivered_at: datetime | None = None
    created_at: datetime


class WebhookEndpoints(Nouns[WebhookEndpoint, Mode]):
    """Addresses that are told when jobs end."""

    path, model = "/v1/webhook_endpoints", WebhookEndpoint
    with_raw_response: WithRaw[WebhookEndpoints[Raw], WebhookEndpoints[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self, url: str, *, events: Sequence[str] | None = None, description: str | None = None
    ) -> Steps[WebhookEndpoint]:
        """Register an https URL, for the end of every job or for some events such as selection.completed."""
        chosen = None if events is None else [*events]
        body = {"url": url, "events": chosen, "description": description}
        return (yield from self._post(self.path, body))

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete the endpoint and its deliveries."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)

    @Verb
    def rotate_secret(self, id: str) -> Steps[WebhookEndpoint]:
        """A new secret; messages are signed with the one before as well."""
        return (yield from self._post(f"{self.path}/{segment(id)}/rotate_secret", {}))

    @Verb
    def enable(self, id: str) -> Steps[WebhookEndpoint]:
        """Send to it again after it was disabled by a 410."""
        return (yield from self._post(f"{self.path}/{segment(id)}/enable", {}))


class WebhookDeliveries(Nouns[WebhookDelivery, Mode]):
    """What was sent to the endpoints."""

    path, model = "/v1/webhook_deliveries", WebhookDelivery
    with_raw_response: WithRaw[WebhookDeliveries[Raw], WebhookDeliveries[AsyncRaw]] = WithRaw()

    @Listing
    def of(self, endpoint_id: str, *, state: str | None = None) -> Values[WebhookDelivery]:
        """Deliveries of one endpoint, newest first."""
        params: dict[str, Any] = {"endpoint_id": endpoint_id, "state": state}
        yield from pages(self.session, self.path, self._decode, page_size=PAGE_SIZE, **params)

    @Verb
    def redeliver(self, id: str) -> Steps[WebhookDelivery]:
        """Send it again now, with all retries."""
        return (yield from self._post(f"{self.path}/{segment(id)}/redeliver", {}))
