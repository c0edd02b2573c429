"""What an admin key manages: API keys, webhook endpoints, what was sent to them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from evoselect_client.calls import Call, get, post
from evoselect_client.models import Bound, Page
from evoselect_client.resources import PAGE_SIZE, Nouns


class ApiKey(Bound):
    """A key; `secret` is there in the answer that made it, and nowhere else."""

    name: str
    scopes: list[str]
    hint: str
    secret: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class WebhookEndpoint(Bound):
    """An https URL that is told when jobs end; `secret` verifies its messages (Standard Webhooks)."""

    url: str
    events: list[str]
    description: str | None = None
    status: str
    disabled_reason: str | None = None
    secret: str | None = None
    created_at: datetime


class WebhookDelivery(Bound):
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


class ApiKeys(Nouns[ApiKey]):
    """Keys of the tenant."""

    path, model = "/v1/api_keys", ApiKey

    def create(self, name: str, scopes: Sequence[str]) -> ApiKey:
        """Make a key with scopes out of select:read, select:write, train, admin; keep its `secret`."""
        return self._create({"name": name, "scopes": list(scopes)})

    def rotate(self, id: str, *, overlap_seconds: int | None = None) -> ApiKey:
        """A new key like the old one, which works on for the overlap (an hour by default)."""
        body = {"overlap_seconds": overlap_seconds}
        return self._client.send(post(f"{self.path}/{id}/rotate", self._decode, body))

    def revoke(self, id: str) -> ApiKey:
        """End a key; it stops working within a second."""
        return self._client.send(Call("DELETE", f"{self.path}/{id}", self._decode))


class WebhookEndpoints(Nouns[WebhookEndpoint]):
    """Addresses that are told when jobs end."""

    path, model = "/v1/webhook_endpoints", WebhookEndpoint

    def create(
        self, url: str, *, events: Sequence[str] | None = None, description: str | None = None
    ) -> WebhookEndpoint:
        """Register an https URL, for the end of every job or for some events such as selection.completed."""
        chosen = None if events is None else list(events)
        return self._create({"url": url, "events": chosen, "description": description})

    def delete(self, id: str) -> None:
        """Delete the endpoint and its deliveries."""
        self._client.send(Call("DELETE", f"{self.path}/{id}", lambda value: None))

    def rotate_secret(self, id: str) -> WebhookEndpoint:
        """A new secret; messages are signed with the one before as well."""
        return self._client.send(post(f"{self.path}/{id}/rotate_secret", self._decode, {}))

    def enable(self, id: str) -> WebhookEndpoint:
        """Send to it again after it was disabled by a 410."""
        return self._client.send(post(f"{self.path}/{id}/enable", self._decode, {}))


class WebhookDeliveries(Nouns[WebhookDelivery]):
    """What was sent to the endpoints."""

    path, model = "/v1/webhook_deliveries", WebhookDelivery

    def of(self, endpoint_id: str, *, state: str | None = None) -> Iterator[WebhookDelivery]:
        """Deliveries of one endpoint, newest first."""
        after: str | None = None
        while True:
            params = {"endpoint_id": endpoint_id, "state": state, "after": after, "limit": PAGE_SIZE}
            page = self._client.send(get(self.path, Page[Any].model_validate, **params))
            yield from map(self._decode, page.data)
            if not page.has_more:
                return
            after = page.data[-1]["id"]

    def redeliver(self, id: str) -> WebhookDelivery:
        """Send it again now, with all retries."""
        return self._client.send(post(f"{self.path}/{id}/redeliver", self._decode, {}))
