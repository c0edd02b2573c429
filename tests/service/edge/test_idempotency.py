"""Idempotency-Key over real HTTP: one key, one body, one resource, however it is sent."""

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from store.accounts import idempotency
from store.tables.accounts import IdempotencyKey
from store.tables.jobs import Job, Outbox, Shard
from tests.live import Api, question

PAIRS = 1000
AT_ONCE = 8  # pairs under way at the same time
Answer = tuple[int, dict[str, Any]]
"""Status and body."""
PHASES: dict[str, dict[str, Any]] = {
    "/v1/targets": {"records": [question(1)]},
    "/v1/pools": {"name": "once"},
    "/v1/selections": {"target": [question(9)], "candidates": [question(1)], "k": 1},
}


@pytest.mark.parametrize("path", PHASES)
def test_a_key_makes_one_resource_and_refuses_another_body(api: Api, path: str) -> None:
    key = {"Idempotency-Key": f"key-{path}"}
    first, again = (api.call("POST", path, json=PHASES[path], headers=key) for _ in range(2))
    assert first.status_code == again.status_code
    assert first.json()["id"] == again.json()["id"]
    assert [one.headers.get("idempotent-replayed") for one in (first, again)] == [None, "true"]
    other = api.call("POST", path, json={**PHASES[path], "name": "another"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_key_belongs_to_its_tenant_and_its_route(api: Api, other: Api) -> None:
    key = {"Idempotency-Key": "shared"}
    mine, theirs = (one.call("POST", "/v1/pools", json={}, headers=key) for one in (api, other))
    assert mine.json()["id"] != theirs.json()["id"]
    elsewhere = api.call("POST", "/v1/targets", json=PHASES["/v1/targets"], headers=key)
    assert elsewhere.json()["code"] == "idempotency_mismatch"


def test_a_key_in_flight_is_told_to_come_back(api: Api) -> None:
    key = {"Idempotency-Key": "in-flight"}
    with api.database.transaction() as session:
        idempotency.hold(session, api.tenant_id, key["Idempotency-Key"])
        early = api.call("POST", "/v1/pools", json={}, headers=key)
        assert (early.status_code, early.json()["code"]) == (409, "idempotency_in_flight")
        assert early.headers["retry-after"] == "1"
        assert api.call("POST", "/v1/pools", json={}).status_code == 201  # others are not held up
    assert api.call("POST", "/v1/pools", json={}, headers=key).status_code == 201


def test_a_refused_request_does_not_use_up_its_key(api: Api) -> None:
    key = {"Idempotency-Key": "refused"}
    body = {"pool_id": "pool_00000000000000000000000000", "target": [question(1)], "k": 1}
    assert api.call("POST", "/v1/selections", json=body, headers=key).status_code == 404
    made = api.call("POST", "/v1/selections", json=PHASES["/v1/selections"], headers=key)
    assert made.status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tin"])
def test_bad_keys_are_refused(api: Api, key: str) -> None:
    answer = api.call("POST", "/v1/pools", json={}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_keys_are_forgotten_after_their_time_only(api: Api) -> None:
    key = {"Idempotency-Key": "old"}
    first = api.call("POST", "/v1/pools", json={}, headers=key).json()["id"]
    for hours, same in ((25, True), (idempotency.KEPT_HOURS + 1, False)):
        with api.database.transaction() as session:
            row = session.get_one(IdempotencyKey, (api.tenant_id, "old"))
            row.created_at = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, hours)
            session.flush()
            idempotency.forget(session)
        assert (api.call("POST", "/v1/pools", json={}, headers=key).json()["id"] == first) is same


@pytest.mark.long
def test_two_at_once_make_one_job_a_thousand_times(api: Api) -> None:
    target_id = api.made("/v1/targets", PHASES["/v1/targets"])["id"]
    body = {"target_id": target_id, "model": api.settings.default_model}
    before = _rows(api)
    pairs = asyncio.run(_race(api, orjson.dumps(body)))
    for answers in pairs:
        assert sorted(status for status, _ in answers) in ([202, 202], [202, 409]), answers
        assert len({made["id"] for status, made in answers if status == 202}) == 1
    jobs, shards, messages = (after - then for after, then in zip(_rows(api), before, strict=True))
    assert (jobs, shards, messages) == (PAIRS, PAIRS, PAIRS)
    assert any(status == 409 for answers in pairs for status, _ in answers)  # they did meet


async def _race(api: Api, body: bytes) -> list[list[Answer]]:
    """Each pair on two connections that stay open, written to at the same moment."""
    numbers, pairs = iter(range(PAIRS)), []
    host, port = api.url.removeprefix("http://").split(":")

    async def race() -> None:
        links = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        for number in numbers:
            request = (
                f"POST /v1/evaluations HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api.api_key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Idempotency-Key: race-{number}\r\n\r\n"
            ).encode()
            for _, writer in links:
                writer.write(request + body)
            pairs.append([await _answer(reader) for reader, _ in links])
        for _, writer in links:
            writer.close()

    await asyncio.gather(*(race() for _ in range(AT_ONCE)))
    return pairs


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), orjson.loads(await reader.readexactly(length))


def _rows(api: Api) -> list[int]:
    with api.database.transaction() as session:
        return [
            session.scalar(select(func.count()).select_from(table)) or 0 for table in (Job, Shard, Outbox)
        ]
