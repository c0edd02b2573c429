"""Each route over real HTTP: what it stores, what it answers, what it refuses."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
from sqlalchemy import select

from store.artifacts import Artifacts
from store.data import pools
from store.jobs import lifecycle as jobs
from store.kit.ids import new_id
from store.records.record import from_table
from store.results import items as selected
from store.tables.jobs import Shard
from store.tables.states import JobKind, JobStatus
from tests.conftest import TEMPLATE
from tests.live import Api, lines, question, serve
from tests.service.finishing import finish


def make_pool(api: Api, count: int = 8) -> str:
    pool_id: str = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool_id}/batches", {"records": [question(n) for n in range(count)]})
    return pool_id


def make_target(api: Api) -> str:
    target_id: str = api.made("/v1/targets", {"records": [question(100), question(101)]})["id"]
    return target_id


def make_selection(api: Api, **more: Any) -> dict[str, Any]:
    return api.made(
        "/v1/selections", {"target_id": make_target(api), "pool_id": make_pool(api), "k": 3, **more}
    )


def complete(api: Api, job_id: str, items: list[dict[str, Any]]) -> None:
    """End a selection with these items."""
    stored = selected.put(Artifacts(api.settings.artifacts_url), "t/items", items)
    finish(api, job_id, {"artifacts": {"items": stored}, "gap": 0.01})


def test_health_needs_no_key(api: Api) -> None:
    for path in ("/livez", "/readyz", "/version", "/openapi.json"):
        assert httpx.get(f"{api.url}{path}").status_code == 200


def test_a_target_is_stored_and_listed(api: Api) -> None:
    made = api.post("/v1/targets", {"records": [question(1)], "name": "sums", "metadata": {"team": "a"}})
    assert made.status_code == 201
    target = made.json()
    assert (target["object"], target["count"], target["name"]) == ("target", 1, "sums")
    assert target["metadata"] == {"team": "a"}
    assert api.get(f"/v1/targets/{target['id']}") == target
    assert target in api.get("/v1/targets")["data"]


def test_listings_page_through_everything_once(api: Api) -> None:
    made = [api.made("/v1/pools", {"name": f"p{n}"})["id"] for n in range(5)]
    seen: list[str] = []
    page = api.get("/v1/pools?limit=2")
    while True:
        seen += [pool["id"] for pool in page["data"]]
        if not page["has_more"]:
            break
        page = api.get(f"/v1/pools?limit=2&after={seen[-1]}")
    assert [pool_id for pool_id in seen if pool_id in made] == made[::-1]
    assert len(seen) == len(set(seen))


def test_an_ndjson_batch_is_stored_whole(api: Api) -> None:
    pool_id = api.made("/v1/pools", {})["id"]
    body = lines(question(1), b"", question(2), question(1, group="again"))
    answer = api.call(
        "POST", f"/v1/pools/{pool_id}/batches", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    assert answer.status_code == 201
    assert answer.json()["counts"] == {"received": 3, "accepted": 3, "rejected": 0, "duplicates": 1}
    assert api.get(f"/v1/pools/{pool_id}") | {"version": 1, "count": 2} == api.get(f"/v1/pools/{pool_id}")


def test_a_batch_cut_anywhere_gives_the_same_records(api: Api) -> None:
    body = lines(*[question(n, metadata={"text": "é" * n}) for n in range(40)]).rstrip(b"\n")
    stored = set()
    for size in (1, 7, 64, len(body)):
        pool_id = api.made("/v1/pools", {})["id"]
        pieces = (body[start : start + size] for start in range(0, len(body), size))
        answer = api.call(
            "POST",
            f"/v1/pools/{pool_id}/batches",
            content=pieces,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert answer.json()["counts"]["accepted"] == 40
        with api.database.transaction() as session:
            (source,) = pools.sources(session, pools.get(session, api.tenant_id, pool_id), 1)
        table = Artifacts(api.settings.artifacts_url).get_table(source.artifact, source.sha256)
        stored.add(tuple(record.content_hash for record in from_table(table)))
    assert len(stored) == 1
    assert len(stored.pop()) == 40


def test_skip_stores_the_good_lines_and_counts_the_bad(api: Api) -> None:
    pool_id = api.made("/v1/pools", {})["id"]
    answer = api.call(
        "POST",
        f"/v1/pools/{pool_id}/batches?on_invalid=skip",
        content=lines(question(1), "{", "[]", {"prompt": "a"}, question(2)),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 201
    assert answer.json()["counts"] == {"received": 5, "accepted": 2, "rejected": 3, "duplicates": 0}
    faults = [(fault["line"], fault["code"]) for fault in answer.json()["errors"]]
    assert faults == [(2, "not_json"), (3, "not_an_object"), (4, "no_completion")]


def test_a_client_batch_id_stores_once(api: Api) -> None:
    pool_id = api.made("/v1/pools", {})["id"]
    body = {"records": [question(1)], "client_batch_id": "b1"}
    first, again = (api.made(f"/v1/pools/{pool_id}/batches", body) for _ in range(2))
    assert first == again
    assert api.get(f"/v1/pools/{pool_id}")["count"] == 1


def test_a_selection_is_accepted_with_everything_that_decides_it(api: Api) -> None:
    body = {
        "target_id": make_target(api),
        "pool_id": make_pool(api),
        "ratio": 0.5,
        "method": "random",
        "seed": 7,
    }
    answer = api.post("/v1/selections", body)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/selections/{job['id']}"
    assert float(answer.headers["retry-after"]) > 0
    assert (job["object"], job["status"], job["done"]) == ("selection", "queued", False)
    assert job["request"]["k"] == 4
    assert job["request"]["pool_version"] == 1
    assert job["request"]["seed"] == 7
    assert job["request"]["spec"]["method"] == "random"
    assert job["progress"]["rows_total"] == 10
    assert job["created_at"].endswith("Z")


def test_a_small_selection_in_one_call(api: Api) -> None:
    job = api.made(
        "/v1/selections", {"target": [question(9)], "candidates": [question(n) for n in range(4)], "k": 2}
    )
    assert api.get(f"/v1/targets/{job['request']['target_id']}")["count"] == 1
    assert api.get(f"/v1/pools/{job['request']['pool_id']}")["count"] == 4


def test_a_selection_stays_at_its_pool_version(api: Api) -> None:
    pool_id = make_pool(api, 8)
    api.made(f"/v1/pools/{pool_id}/batches", {"records": [question(n) for n in range(20, 24)]})
    body = {"target_id": make_target(api), "pool_id": pool_id, "pool_version": 1, "ratio": 1.0}
    assert api.made("/v1/selections", body)["request"]["k"] == 8
    assert api.made("/v1/selections", {**body, "pool_version": 2})["request"]["k"] == 12


def test_items_are_the_same_in_pages_and_lines(api: Api) -> None:
    job_id = make_selection(api)["id"]
    items = [{"rank": n, "id": f"c{n}", "weight": 1.0, "record": question(n)} for n in range(1, 8)]
    assert api.call("GET", f"/v1/selections/{job_id}/items").status_code == 409
    complete(api, job_id, items)
    job = api.get(f"/v1/selections/{job_id}")
    assert (job["status"], job["result"]) == ("completed", {"gap": 0.01})
    first = api.get(f"/v1/selections/{job_id}/items?limit=4")
    rest = api.get(f"/v1/selections/{job_id}/items?limit=4&after=4")
    assert first["data"] + rest["data"] == items
    assert (first["has_more"], rest["has_more"]) == (True, False)
    answer = api.call("GET", f"/v1/selections/{job_id}/items", headers={"Accept": "application/x-ndjson"})
    assert [orjson.loads(line) for line in answer.content.splitlines()] == items


def test_waiting_ends_with_the_job(api: Api) -> None:
    job_id = make_selection(api)["id"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(api.get, f"/v1/selections/{job_id}?wait=20")
        api.made(f"/v1/selections/{job_id}/cancel", {})
        assert waiting.result(timeout=10)["status"] == "cancelled"
    assert api.get(f"/v1/selections/{job_id}?wait=0.2")["done"]


def test_cancel_ends_a_waiting_job_and_then_conflicts(api: Api) -> None:
    job_id = make_selection(api)["id"]
    answer = api.post(f"/v1/selections/{job_id}/cancel", {})
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    again = api.post(f"/v1/selections/{job_id}/cancel", {})
    assert (again.status_code, again.json()["code"]) == (409, "job_ended")
    types = [event["type"] for event in api.get(f"/v1/selections/{job_id}/events")["data"]]
    assert types == ["job.queued", "job.cancelling", "job.cancelled"]


def test_a_training_needs_a_completed_selection(api: Api) -> None:
    job_id = make_selection(api)["id"]
    refused = api.post("/v1/trainings", {"selection_id": job_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "selection_not_completed")
    complete(api, job_id, [{"rank": 1, "id": "c1", "weight": 1.0, "record": question(1)}])
    training = api.made("/v1/trainings", {"selection_id": job_id, "seed": 3})
    assert training["request"]["selection_id"] == job_id
    assert training["request"]["base_model"] == api.settings.default_model
    with api.database.transaction() as session:
        assert jobs.get(session, api.tenant_id, training["id"], JobKind.TRAINING).status == JobStatus.QUEUED


def test_an_evaluation_takes_a_target_or_records(api: Api) -> None:
    model = api.settings.default_model
    by_id = api.made("/v1/evaluations", {"model": model, "target_id": make_target(api)})
    inline = api.made("/v1/evaluations", {"model": model, "records": [question(1)]})
    assert by_id["progress"]["rows_total"] == 2
    assert inline["progress"]["rows_total"] == 1


def test_models_lists_the_allow_list(api: Api) -> None:
    listed = api.get("/v1/models")
    names = [model["id"] for model in listed["data"]]
    assert api.settings.default_model in names
    assert api.get(f"/v1/models/{api.settings.default_model}")["kind"] == "base"


def test_progress_of_a_training_counts_what_the_optimizer_sees(api: Api) -> None:
    job_id = make_selection(api)["id"]
    complete(api, job_id, [{"rank": 1, "id": "c1", "weight": 1.0, "record": question(1)}])
    totals = {}
    for name, spec in {
        "steps": {"max_steps": 5, "batch_size": 4},
        "epochs": {"epochs": 1.5},
        "one": {},
    }.items():
        made = api.made("/v1/trainings", {"selection_id": job_id, "spec": spec})
        totals[name] = made["progress"]["rows_total"]
    assert totals == {"steps": 20, "epochs": 5, "one": 3}


def test_a_full_queue_is_a_429_that_says_when_to_come_back(migrated: str, tmp_path: Path) -> None:
    name = new_id("full")
    with psycopg.connect(migrated.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE}".encode())
    url = migrated.rsplit("/", 1)[0] + f"/{name}"
    with serve(url, tmp_path, shard_rows=2, max_waiting_shards=3) as small:
        first = make_selection(small)
        refused = small.post("/v1/selections", {"target_id": make_target(small), "pool_id": "x", "k": 1})
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert "wait in the queue features" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) > 0
        small.call("POST", f"/v1/selections/{first['id']}/cancel", json={})
        make_selection(small)


def test_priority_is_kept_and_bounded(api: Api) -> None:
    job = make_selection(api, priority=7)
    with api.database.transaction() as session:
        assert session.scalars(select(Shard.priority).where(Shard.job_id == job["id"])).unique().all() == [7]
    target = make_target(api)
    refused = api.post("/v1/selections", {"target_id": target, "pool_id": "x", "k": 1, "priority": 101})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/priority")
