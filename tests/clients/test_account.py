"""Keys, webhooks and events through the client, against a live service."""

from collections.abc import Iterator

import pytest

from evoselect_client import AuthenticationError, Client, InvalidRequestError, NotFoundError
from tests.live import Api, another_tenant, question


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url, another_tenant(api).api_key) as client:
        yield client


def test_a_key_is_made_rotated_and_revoked(api: Api, client: Client) -> None:
    key = client.api_keys.create("pipeline", ["select:read"])
    assert key.secret
    with Client(api.url, key.secret) as limited:
        assert list(limited.pools.list()) == []
        with pytest.raises(AuthenticationError, match="select:write"):
            limited.pools.create()
    fresh = client.api_keys.rotate(key.id, overlap_seconds=60)
    assert (fresh.scopes, fresh.secret != key.secret) == (key.scopes, True)
    assert client.api_keys.retrieve(key.id).expires_at
    assert client.api_keys.revoke(fresh.id).revoked_at
    assert {fresh.id, key.id} <= {one.id for one in client.api_keys.list(page_size=1)}


def test_webhooks_are_registered_and_redelivered(client: Client) -> None:
    endpoint = client.webhook_endpoints.create("https://example.com/hook", events=["selection.cancelled"])
    assert (endpoint.secret or "").startswith("whsec_")
    assert client.webhook_endpoints.rotate_secret(endpoint.id).secret != endpoint.secret
    client.selections.create(target=[question(9)], candidates=[question(1)], k=1).cancel()
    (delivery,) = client.webhook_deliveries.of(endpoint.id, state="pending")
    assert client.webhook_deliveries.redeliver(delivery.id).attempts == 0
    client.webhook_endpoints.delete(endpoint.id)
    with pytest.raises(NotFoundError):
        client.webhook_endpoints.retrieve(endpoint.id)
    with pytest.raises(InvalidRequestError, match="public address"):
        client.webhook_endpoints.create("https://127.0.0.1/")


def test_a_job_tells_what_happened_to_it(client: Client) -> None:
    job = client.selections.create(target=[question(9)], candidates=[question(1)], k=1)
    job.cancel()
    assert [event.type for event in job.events()] == ["job.queued", "job.cancelling", "job.cancelled"]
    assert [event.sequence for event in job.events(after=2)] == [3]
