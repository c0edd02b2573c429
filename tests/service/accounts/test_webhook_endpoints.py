"""Webhooks from the end of a job to a receiver: promised with the event, signed, tried again, redelivered."""

import http.server
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from sqlalchemy import delete, func, select, update
from standardwebhooks import Webhook

from store.kit.egress import Egress
from store.tables.accounts import WebhookDelivery, WebhookEndpoint
from store.webhooks import deliveries
from store.webhooks.endpoints import MAX_ENDPOINTS, TYPES
from tests.live import PEPPER, Api, another_tenant, question
from workers.process.webhook_sender import WebhookSender

URL = "https://receiver.example/hook"


@dataclass
class Receiver:
    """What arrived, and what is answered."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    """Answers to give, in order; 200 when there are none left."""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    way: Egress = field(default_factory=Egress)

    @property
    def url(self) -> str:
        return f"https://receiver.example:{self.port}/hook?a=b"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A TLS server on loopback whose certificate the sender trusts."""
    state = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(state.statuses.pop(0) if state.statuses else 200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Silence."""

    authority = trustme.CA()
    server_side, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("receiver.example").configure_cert(server_side)
    authority.configure_trust(trusting)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = server_side.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
    state.port = server.server_port
    state.way = Egress([ip_network("127.0.0.0/8")], trusting, resolve=lambda host, port: ["127.0.0.1"])
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def nothing_waits(api: Api) -> None:
    """What other tests have left is not sent in this one."""
    with api.database.transaction() as session:
        session.execute(delete(WebhookDelivery))


def deliver(api: Api, receiver: Receiver) -> None:
    """One run of the ops worker's webhook sender."""
    WebhookSender(api.database, PEPPER, receiver.way).send_all()


def make_due(api: Api) -> None:
    """Let the waiting time and the lease of every delivery pass, and the pause of every endpoint."""
    with api.database.transaction() as session:
        now = func.clock_timestamp()
        session.execute(update(WebhookDelivery).values(next_attempt_at=now, leased_until=now))
        session.execute(update(WebhookEndpoint).values(paused_until=None))


def end_a_job(api: Api) -> str:
    job = api.made("/v1/selections", {"target": [question(9)], "candidates": [question(1)], "k": 1})
    api.made(f"/v1/selections/{job['id']}/cancel", {})
    job_id: str = job["id"]
    return job_id


def only_delivery(api: Api) -> dict[str, Any]:
    (found,) = api.get("/v1/webhook_deliveries")["data"]
    delivery: dict[str, Any] = found
    return delivery


def test_the_end_of_a_job_arrives_signed(other: Api, receiver: Receiver) -> None:
    endpoint = other.made("/v1/webhook_endpoints", {"url": receiver.url})
    assert endpoint["events"] == list(TYPES)
    job_id = end_a_job(other)
    deliver(other, receiver)
    ((headers, body),) = receiver.received
    message = Webhook(endpoint["secret"]).verify(body, headers)  # the reference implementation
    assert message["type"] == "selection.cancelled"
    assert message["data"] == {"id": job_id, "object": "selection", "status": "cancelled"}
    delivery = only_delivery(other)
    assert (delivery["state"], delivery["attempts"], delivery["response_status"]) == ("delivered", 1, 200)
    assert delivery["id"] == headers["webhook-id"]
    deliver(other, receiver)
    assert len(receiver.received) == 1


def test_only_wanted_events_are_promised(other: Api, receiver: Receiver) -> None:
    other.made("/v1/webhook_endpoints", {"url": receiver.url, "events": ["training.completed"]})
    end_a_job(other)
    assert other.get("/v1/webhook_deliveries")["data"] == []


def test_a_failing_receiver_is_tried_by_the_table_and_then_given_up(other: Api, receiver: Receiver) -> None:
    other.made("/v1/webhook_endpoints", {"url": receiver.url})
    end_a_job(other)
    attempts = len(deliveries.RETRY_SECONDS) + 1
    receiver.statuses = [500] * attempts
    for number, wait in enumerate(deliveries.RETRY_SECONDS, start=1):
        deliver(other, receiver)
        with other.database.transaction() as session:
            left = session.scalar(
                select(func.extract("epoch", WebhookDelivery.next_attempt_at - func.clock_timestamp())).where(
                    WebhookDelivery.tenant_id == other.tenant_id
                )
            )
        assert wait - 30 < float(left or 0) <= wait
        assert (only_delivery(other)["state"], only_delivery(other)["attempts"]) == ("pending", number)
        make_due(other)
    deliver(other, receiver)
    delivery = only_delivery(other)
    assert (delivery["state"], delivery["attempts"], len(receiver.received)) == ("failed", attempts, attempts)
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    again = other.made(f"/v1/webhook_deliveries/{delivery['id']}/redeliver", {})
    assert (again["state"], again["attempts"]) == ("pending", 0)
    deliver(other, receiver)
    assert only_delivery(other)["state"] == "delivered"


def test_gone_disables_until_enabled(other: Api, receiver: Receiver) -> None:
    endpoint_id = other.made("/v1/webhook_endpoints", {"url": receiver.url})["id"]
    end_a_job(other)
    end_a_job(other)
    receiver.statuses = [410, 410]
    deliver(other, receiver)
    endpoint = other.get(f"/v1/webhook_endpoints/{endpoint_id}")
    assert (endpoint["status"], endpoint["disabled_reason"]) == ("disabled", "the receiver answered 410 Gone")
    end_a_job(other)
    states = [delivery["state"] for delivery in other.get("/v1/webhook_deliveries")["data"]]
    assert states == ["failed", "failed"]  # and nothing was promised for the third
    first = other.get("/v1/webhook_deliveries")["data"][0]["id"]
    refused = other.post(f"/v1/webhook_deliveries/{first}/redeliver", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
    assert other.made(f"/v1/webhook_endpoints/{endpoint_id}/enable", {})["status"] == "enabled"
    assert other.post(f"/v1/webhook_deliveries/{first}/redeliver", {}).status_code == 202


def test_a_rotated_secret_overlaps_with_the_one_before(other: Api, receiver: Receiver) -> None:
    first = other.made("/v1/webhook_endpoints", {"url": receiver.url})
    second = other.made(f"/v1/webhook_endpoints/{first['id']}/rotate_secret", {})
    assert first["secret"] != second["secret"]
    end_a_job(other)
    deliver(other, receiver)
    headers, body = receiver.received[0]
    for secret in (first["secret"], second["secret"]):
        assert Webhook(secret).verify(body, headers)
    third = other.made(f"/v1/webhook_endpoints/{first['id']}/rotate_secret", {})["secret"]
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(third).verify(body, headers)


def test_a_lost_sender_is_replaced_and_its_late_answer_ignored(other: Api, receiver: Receiver) -> None:
    other.made("/v1/webhook_endpoints", {"url": receiver.url})
    end_a_job(other)
    with other.database.transaction() as session:
        (lost,) = deliveries.take(session, 1)
    deliver(other, receiver)
    assert receiver.received == []  # leased
    make_due(other)
    deliver(other, receiver)
    assert len(receiver.received) == 1
    with other.database.transaction() as session:
        deliveries.settle(session, lost, 500, None)
    assert only_delivery(other)["state"] == "delivered"


def test_a_private_receiver_is_refused_at_once_and_at_sending(other: Api, receiver: Receiver) -> None:
    for url in ("https://127.0.0.1/x", "http://example.com/", "https://[::1]/", "https://a@example.com/"):
        answer = other.post("/v1/webhook_endpoints", {"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "url_refused"), url
        assert answer.json()["errors"][0]["pointer"] == "/url"
    other.made("/v1/webhook_endpoints", {"url": receiver.url})
    end_a_job(other)
    WebhookSender(other.database, PEPPER, Egress(resolve=receiver.way.resolve)).send_all()
    assert receiver.received == []
    delivery = only_delivery(other)
    assert (delivery["state"], delivery["response_status"]) == ("pending", None)
    assert "not at a public address" in delivery["last_error"]
    assert "127.0.0.1" not in json.dumps(delivery)


def test_endpoints_are_counted_and_deleted(other: Api) -> None:
    made = [other.made("/v1/webhook_endpoints", {"url": URL})["id"] for _ in range(MAX_ENDPOINTS)]
    refused = other.post("/v1/webhook_endpoints", {"url": URL})
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    end_a_job(other)
    assert other.call("DELETE", f"/v1/webhook_endpoints/{made[0]}").status_code == 204
    assert other.call("GET", f"/v1/webhook_endpoints/{made[0]}").status_code == 404
    listed = other.get("/v1/webhook_deliveries")["data"]
    assert len(listed) == MAX_ENDPOINTS - 1
    assert other.get(f"/v1/webhook_deliveries?endpoint_id={made[1]}&state=pending")["data"] == [
        one for one in listed if one["endpoint_id"] == made[1]
    ]


def taken(api: Api, limit: int) -> list[deliveries.Due]:
    with api.database.transaction() as session:
        return deliveries.take(session, limit)


def test_tenants_take_turns_and_an_endpoint_has_two_in_flight(api: Api, other: Api) -> None:
    loud, quiet = another_tenant(api), other
    endpoints = [loud.made("/v1/webhook_endpoints", {"url": URL})["id"] for _ in range(3)]
    for _ in range(4):
        end_a_job(loud)
    own = quiet.made("/v1/webhook_endpoints", {"url": URL})["id"]
    end_a_job(quiet)  # after the twelve of the other
    first = taken(api, 2)
    assert own in {due.endpoint_id for due in first}
    flying = [*first, *taken(api, 100)]
    by_endpoint = Counter(due.endpoint_id for due in flying)
    assert sum(by_endpoint[one] for one in endpoints) == deliveries.PER_TENANT
    assert max(by_endpoint.values()) <= deliveries.PER_ENDPOINT
    assert taken(api, 100) == []  # as long as they are in flight
    done = next(due for due in flying if due.endpoint_id in endpoints)
    with api.database.transaction() as session:
        deliveries.settle(session, done, 200, None)
    assert len(taken(api, 100)) == 1


def test_an_endpoint_that_fails_and_fails_is_paused_then_given_up(other: Api, receiver: Receiver) -> None:
    endpoint_id = other.made("/v1/webhook_endpoints", {"url": receiver.url})["id"]
    for _ in range(deliveries.BREAKS_AFTER + 4):
        end_a_job(other)
    receiver.statuses = [500] * 100
    deliver(other, receiver)
    tried = len(receiver.received)
    assert deliveries.BREAKS_AFTER <= tried <= deliveries.BREAKS_AFTER + deliveries.PER_ENDPOINT - 1
    path = f"/v1/webhook_endpoints/{endpoint_id}"
    assert other.get(path)["paused_until"] is not None
    make_due(other)
    assert len(taken(other, 100)) == 1  # one probes
    make_due(other)
    with other.database.transaction() as session:
        long_ago = func.clock_timestamp() - timedelta(seconds=deliveries.GIVEN_UP_SECONDS + 1)
        session.execute(update(WebhookEndpoint).values(failing_since=long_ago))
    deliver(other, receiver)
    assert "nothing arrived there for 5 days" in other.get(path)["disabled_reason"]
    enabled = other.made(f"{path}/enable", {})
    assert (enabled["status"], enabled["paused_until"]) == ("enabled", None)


def test_a_silent_receiver_holds_up_no_other(api: Api, other: Api, receiver: Receiver) -> None:
    loud = another_tenant(api)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"https://receiver.example:{silent.getsockname()[1]}/"
        for _ in range(3):
            loud.made("/v1/webhook_endpoints", {"url": url})
        for _ in range(6):
            end_a_job(loud)
        other.made("/v1/webhook_endpoints", {"url": receiver.url})
        end_a_job(other)
        webhook_sender = WebhookSender(api.database, PEPPER, replace(receiver.way, seconds=3.0))
        webhook_sender.wake()
        started = time.monotonic()
        while not receiver.received:
            time.sleep(0.02)
            assert time.monotonic() - started < 2.5, "the others' 18 messages went first"
        with api.database.transaction() as session:
            session.execute(delete(WebhookDelivery).where(WebhookDelivery.tenant_id == loud.tenant_id))
