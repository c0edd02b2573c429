"""Loops over HTTP, without workers: what is refused, the client's candidates, pause, resume, cancel."""

from typing import Any

import pytest

from store.jobs import claims, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Offer
from store.jobs.requests import LoopWork
from store.loops import advance as loops
from store.settings import Settings
from tests.live import Api, Json, question

ASKED = {"kind": "openai", "model": "m", "size": 5}
VERIFIED = {"generator": {**ASKED, "url": "https://example.com/v1"}}


@pytest.fixture
def target(api: Api) -> str:
    records = [question(number) for number in range(10)]
    return str(api.made("/v1/targets", {"records": records, "held_out": {"ratio": 0.3}})["id"])


def made(api: Api, target: str, **more: Any) -> Json:
    return api.made("/v1/loops", {"target_id": target, "generator": {"kind": "push"}, "k": 1, **more})


def look(api: Api, loop_id: str) -> None:
    """What the ops worker does."""
    with api.database.transaction() as session:
        while claim := claims.claim(session, Offer("ops", ("advance",), "test", 60.0)):
            loops.advance(session, Settings(), claim.job_id)
            shards.commit(session, claim, {})


def rounds(api: Api, loop_id: str) -> list[Json]:
    found: list[Json] = api.get(f"/v1/loops/{loop_id}/rounds")["data"]
    return found


def test_a_loop_waits_for_the_clients_candidates_and_knows_what_it_was_given(api: Api, target: str) -> None:
    loop = made(api, target, name="mine", random_arm=True)
    assert (loop["object"], loop["status"]) == ("loop", "queued")
    assert loop["request"]["evaluation_target_id"] != target
    look(api, loop["id"])
    (first,) = rounds(api, loop["id"])
    assert (first["number"], first["state"]) == (1, "waiting")
    assert set(first["arms"]) == {"selected", "random"}
    path = f"/v1/loops/{loop['id']}/rounds/1/candidates"
    batch = {"records": [question(50)], "client_batch_id": "a", "more": True}
    assert api.made(path, batch)["counts"]["accepted"] == 1
    assert api.made(path, batch)["client_batch_id"] == "a"
    assert rounds(api, loop["id"])[0]["state"] == "waiting"
    last = {"records": [question(50), question(51)], "client_batch_id": "b"}
    assert api.made(path, last)["counts"]["duplicates"] == 1
    look(api, loop["id"])
    (first,) = rounds(api, loop["id"])
    assert (first["state"], first["generated"]) == ("running", {"candidates": 2})
    assert first["arms"]["selected"]["selection_id"].startswith("sel_")
    assert api.made(path, last)["client_batch_id"] == "b"  # sent again: the answer may have been lost
    late = api.post(path, {"records": [question(52)]})
    assert (late.status_code, late.json()["code"]) == (409, "round_not_waiting")
    assert api.post(path.replace("/1/", "/2/"), {"records": [question(52)]}).status_code == 404
    again = api.post(f"/v1/loops/{loop['id']}/cancel", {})
    assert again.status_code == 202
    selection = api.get(f"/v1/selections/{first['arms']['selected']['selection_id']}")
    assert selection["status"] == again.json()["status"] == "cancelled"
    assert rounds(api, loop["id"])[0]["state"] == "ended"
    assert api.made(f"/v1/loops/{loop['id']}/retry", {})["request"] == loop["request"]


def test_what_an_earlier_round_was_given_does_not_come_again(api: Api, target: str) -> None:
    loop = made(api, target)
    look(api, loop["id"])
    api.made(f"/v1/loops/{loop['id']}/rounds/1/candidates", {"records": [question(60)]})
    with api.database.transaction() as session:
        row = loops.open_round(session, loop["id"])
        assert row is not None
        row.state, row.completed_at, row.result = "completed", row.created_at, {"gain": None, "loss": None}
        session.flush()
        job = jobs.lock(session, loop["id"])
        loops._open(loops._Loop(session, Settings(), job, LoopWork.of(job.request, job.id)), 2)
    given = {"records": [question(60), question(61)]}
    batch = api.made(f"/v1/loops/{loop['id']}/rounds/2/candidates", given)
    assert batch["counts"] == {"received": 2, "accepted": 2, "rejected": 0, "duplicates": 1}
    assert rounds(api, loop["id"])[1]["generated"] == {"candidates": 1}
    api.made(f"/v1/loops/{loop['id']}/cancel", {})


def test_pause_and_resume(api: Api, target: str) -> None:
    loop = made(api, target)
    paused = api.made(f"/v1/loops/{loop['id']}/pause", {})
    assert (paused["status"], paused["done"]) == ("paused", False)
    assert paused["paused_at"]
    look(api, loop["id"])
    assert rounds(api, loop["id"]) == []
    assert api.made(f"/v1/loops/{loop['id']}/resume", {})["status"] == "running"
    look(api, loop["id"])
    assert len(rounds(api, loop["id"])) == 1
    api.made(f"/v1/loops/{loop['id']}/cancel", {})
    too_late = api.post(f"/v1/loops/{loop['id']}/rounds/1/candidates", {"records": [question(1)]})
    assert too_late.json()["code"] == "round_not_waiting"
    refused = api.post(f"/v1/loops/{loop['id']}/resume", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "job_ended")
    types = [event["type"] for event in api.get(f"/v1/loops/{loop['id']}/events")["data"]]
    assert types[:2] == ["job.queued", "job.paused"]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"k": 1, "ratio": 0.5}, 422, "send exactly one"),
        ({"k": 1, "generator": {"kind": "magic"}}, 422, "push"),
        ({"k": 1, "base_model": "nobody"}, 422, "There is no model 'nobody'"),
        ({"k": 1, "proxy": "nobody"}, 422, "There is no model 'nobody'"),
        ({"k": 1, "rounds": 0}, 422, "from 1 to 100"),
        ({"k": 1, "stop": {"patience": 1}}, 422, "set random_arm to true"),
        ({"k": 1, "generator": {"kind": "pool", "pool_id": "pool_none"}}, 404, "pool_none"),
        ({"k": 10**9}, 422, "is the most"),
        (
            {"k": 1, "generator": {**ASKED, "endpoint": "nobody"}},
            422,
            "no generator 'nobody': use url",
        ),
        ({"k": 1, "generator": {**ASKED, "url": "https://10.0.0.1/v1"}}, 422, "not at a public address"),
        (
            {"k": 1, "generator": {**ASKED, "url": "http://example.com/v1"}},
            422,
            "EVOSELECT_GENERATOR_NETWORKS",
        ),
        ({"k": 1, "generator": {**ASKED, "url": "https://user:pw@example.com"}}, 422, "leave it out"),
        ({"k": 1, "generator": ASKED}, 422, "send exactly one of endpoint"),
        ({"k": 1, "verifier": {"kind": "hook", "url": "https://example.com/"}}, 422, "with a quality"),
        (
            {"k": 1, **VERIFIED, "verifier": {"kind": "hook", "url": "https://10.0.0.1/"}},
            422,
            "/verifier/url",
        ),
        (
            {"k": 1, **VERIFIED, "verifier": {"kind": "hook", "endpoint": "nobody"}},
            422,
            "no verifier 'nobody'",
        ),
        ({"k": 1, **VERIFIED, "verifier": {"kind": "magic"}}, 422, "agreement"),
        ({"k": 1, **VERIFIED, "verifier": {"kind": "regex", "pattern": "a(b"}}, 422, "/verifier/pattern"),
        (
            {"k": 1, **VERIFIED, "verifier": {"kind": "json_schema", "schema": {"items": {"type": "x"}}}},
            422,
            "/verifier/schema/items/type",
        ),
        (
            {"k": 1, **VERIFIED, "verifier": {"kind": "json_schema", "schema": {"not": {"$ref": "#/not"}}}},
            422,
            "refers to itself",
        ),
        ({"k": 1, "anchor_share": 0.95}, 422, "at most 0.9"),
        ({"k": 1, "guard_target_id": "tgt_none"}, 404, "tgt_none"),
        ({"k": 1, "stop": {"guard_rise": 0.1}}, 422, "set guard_target_id"),
    ],
)
def test_what_cannot_be_run_is_refused(api: Api, target: str, body: Json, status: int, detail: str) -> None:
    answer = api.post("/v1/loops", {"target_id": target, "generator": {"kind": "push"}, **body})
    assert answer.status_code == status
    assert detail in answer.text


def test_without_held_out_examples_the_loop_must_be_told_where_to_measure(api: Api) -> None:
    whole = api.made("/v1/targets", {"records": [question(1)]})["id"]
    answer = api.post("/v1/loops", {"target_id": whole, "generator": {"kind": "push"}, "k": 1})
    assert answer.json()["code"] == "nothing_held_out"
    assert made(api, whole, evaluation_target_id=whole)["status"] == "queued"
    body = {"target_id": whole, "evaluation_target_id": whole, "generator": {"kind": "push"}, "k": 1}
    refused = api.post("/v1/loops", {**body, "anchor_share": 0.5}).json()
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("no_anchors", "/anchor_share")
    body["generator"] = {**VERIFIED["generator"], "prompts_from": "failures"}
    refused = api.post("/v1/loops", body).json()
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("no_failures", "/generator/prompts_from")


def test_an_exact_verifier_is_kept_as_it_was_sent(api: Api, target: str) -> None:
    schema = {
        "type": "object",
        "$defs": {"a": {"type": "string"}},
        "properties": {"x": {"$ref": "#/$defs/a"}},
    }
    loop = made(api, target, **VERIFIED, verifier={"kind": "json_schema", "schema": schema})
    assert loop["request"]["spec"]["verifier"]["schema"] == schema
    api.made(f"/v1/loops/{loop['id']}/cancel", {})


def test_a_pool_that_is_too_small_is_refused_before_anything_runs(api: Api, target: str) -> None:
    pool = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(1), question(2)]})
    generator = {"kind": "pool", "pool_id": pool, "size": 1}
    answer = api.post("/v1/loops", {"target_id": target, "generator": generator, "k": 2})
    assert answer.json()["code"] == "k_exceeds_pool"
    loop = made(api, target, generator={"kind": "pool", "pool_id": pool})
    assert loop["request"]["spec"]["generator"]["pool_version"] == 1
    api.made(f"/v1/loops/{loop['id']}/cancel", {})
