"""Idempotency-Key over real HTTP: one key, one body, one resource, however it is sent."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from store import idempotency
from store.models import IdempotencyKey, Job, Outbox, Shard
from tests.live import Api, question

PAIRS = 1000
AT_ONCE = 8  # pairs under way at the same time
BODIES: dict[str, dict[str, Any]] = {
    "/v1/targets": {"records": [question(1)]},
    "/v1/pools": {"name": "once"},
    "/v1/selections": {"target": [question(9)], "candidates": [question(1)], "k": 1},
}


@pytest.mark.parametrize("path", BODIES)
def test_a_key_makes_one_resource_and_refuses_another_body(api: Api, path: str) -> None:
    key = {"Idempotency-Key": f"key-{path}"}
    first, again = (api.call("POST", path, json=BODIES[path], headers=key) for _ in range(2))
    assert first.status_code == again.status_code
    assert first.json()["id"] == again.json()["id"]
    other = api.call("POST", path, json={**BODIES[path], "name": "another"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_key_belongs_to_its_tenant_and_its_route(api: Api, other: Api) -> None:
    key = {"Idempotency-Key": "shared"}
    mine, theirs = (one.call("POST", "/v1/pools", json={}, headers=key) for one in (api, other))
    assert mine.json()["id"] != theirs.json()["id"]
    elsewhere = api.call("POST", "/v1/targets", json=BODIES["/v1/targets"], headers=key)
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
    made = api.call("POST", "/v1/selections", json=BODIES["/v1/selections"], headers=key)
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


def test_two_at_once_make_one_job_a_thousand_times(api: Api) -> None:
    target_id = api.made("/v1/targets", BODIES["/v1/targets"])["id"]
    body = {"target_id": target_id, "model": api.settings.default_model}
    before = _rows(api)
    pairs = asyncio.run(_race(api, body))
    for answers in pairs:
        codes = sorted(answer.status_code for answer in answers)
        assert codes in ([202, 202], [202, 409]), [answer.text for answer in answers]
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    jobs, shards, messages = (after - then for after, then in zip(_rows(api), before, strict=True))
    assert (jobs, shards, messages) == (PAIRS, PAIRS, PAIRS)
    assert any(answer.status_code == 409 for answers in pairs for answer in answers)  # they did meet


async def _race(api: Api, body: dict[str, Any]) -> list[list[httpx.Response]]:
    slots = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {api.api_key}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=60) as client:

        async def pair(number: int) -> list[httpx.Response]:
            key = {"Idempotency-Key": f"race-{number}"}
            async with slots:
                twice = (client.post("/v1/evaluations", json=body, headers=key) for _ in range(2))
                return list(await asyncio.gather(*twice))

        return await asyncio.gather(*map(pair, range(PAIRS)))


def _rows(api: Api) -> list[int]:
    with api.database.transaction() as session:
        return [
            session.scalar(select(func.count()).select_from(table)) or 0 for table in (Job, Shard, Outbox)
        ]
