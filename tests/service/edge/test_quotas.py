"""What one tenant may do: requests per second counted in a real Valkey, open jobs, records, bytes, k."""

import io
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store.kit.ids import new_id
from tests.conftest import TEMPLATE
from tests.live import Api, another_tenant, lines, question, serve

RATE = 20


@pytest.fixture(scope="module")
def limited(migrated: str, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with small limits."""
    with serve(
        _new_database(migrated),
        tmp_path_factory.mktemp("limited"),
        redis_url=valkey,
        requests_per_second=RATE,
        max_jobs=2,
        max_records=10,
        max_stored_bytes=100_000,
        max_k=3,
    ) as api:
        yield api


@pytest.fixture(scope="module")
def small(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with room for 10 kB of a tenant."""
    with serve(_new_database(migrated), tmp_path_factory.mktemp("small"), max_stored_bytes=10_000) as api:
        yield api


def _new_database(server: str) -> str:
    name = new_id("api")
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE}".encode())
    return server.rsplit("/", 1)[0] + f"/{name}"


def test_too_many_requests_are_told_when_to_come_back(limited: Api) -> None:
    tenant = another_tenant(limited)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: tenant.call("GET", "/v1/pools"), range(4 * RATE)))
    seconds = time.monotonic() - began
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len(answers) - len(refused) <= RATE * (seconds + 2)  # the windows that the requests fell into
    assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["ratelimit"] == '"requests";r=0'
    policy = {answer.headers["ratelimit-policy"] for answer in answers}
    assert policy == {f'"requests";q={RATE};w=1'}
    assert another_tenant(limited).call("GET", "/v1/pools").status_code == 200  # others are not held up
    time.sleep(1.1)
    assert tenant.call("GET", "/v1/pools").status_code == 200


@pytest.mark.parametrize(("setting", "status"), [("open", 200), ("closed", 503)])
def test_an_outage_of_the_counter_is_decided_by_the_setting(
    migrated: str, tmp_path: Path, setting: str, status: int
) -> None:
    with serve(_new_database(migrated), tmp_path, rates_without_redis=setting) as api:
        answer = api.call("GET", "/v1/pools")
        assert answer.status_code == status
        if status == 503:
            assert (answer.json()["code"], answer.headers["retry-after"]) == ("rates_unavailable", "1")
        assert api.call("GET", "/readyz").json() == {"status": "degraded", "database": "ok", "redis": "down"}


def test_open_jobs_are_limited_even_at_once(limited: Api) -> None:
    tenant = another_tenant(limited)
    body = {"target": [question(9)], "candidates": [question(1)], "k": 1}
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda _: tenant.post("/v1/selections", body), range(5)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [202, 202, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("quota_exceeded", "60")
    made = next(answer.json()["id"] for answer in answers if answer.status_code == 202)
    tenant.made(f"/v1/selections/{made}/cancel", {})
    assert tenant.post("/v1/selections", body).status_code == 202


def test_a_retry_is_a_new_job_to_the_limit(limited: Api) -> None:
    tenant = another_tenant(limited)
    body = {"target": [question(9)], "candidates": [question(1)], "k": 1}
    first = tenant.made("/v1/selections", body)["id"]
    tenant.made(f"/v1/selections/{first}/cancel", {})
    codes = [tenant.post(f"/v1/selections/{first}/retry", {}).status_code for _ in range(4)]
    assert codes == [202, 202, 429, 429]


def test_inline_records_are_counted_whatever_the_route(limited: Api) -> None:
    tenant = another_tenant(limited)
    nine, ten = ([question(n) for n in range(size)] for size in (9, 10))
    base = {"model": "smollm2-135m-instruct"}
    tries = [
        ("/v1/selections", {"target": nine, "candidates": [question(11), question(12)], "k": 1}),
        ("/v1/targets", {"records": [*ten, question(11)]}),
        ("/v1/evaluations", {**base, "records": [*ten, question(11)]}),
    ]
    for path, body in tries:
        answer = tenant.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded"), path
    pool = tenant.made("/v1/pools", {})["id"]
    for kind, content in batches([*ten, question(11)]):
        answer = tenant.call("POST", f"/v1/pools/{pool}/batches", content=content, headers=kind)
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded"), kind
    assert tenant.get("/v1/targets")["data"] == tenant.get("/v1/selections")["data"] == []
    assert tenant.made("/v1/evaluations", {**base, "records": ten})["status"] == "queued"


def batches(records: list[dict[str, Any]]) -> list[tuple[dict[str, str], bytes]]:
    """The records as each media type of a batch."""
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), table)
    return [
        ({"Content-Type": "application/json"}, orjson.dumps({"records": records})),
        ({"Content-Type": "application/x-ndjson"}, lines(*records)),
        ({"Content-Type": "application/vnd.apache.parquet"}, table.getvalue()),
    ]


def test_all_bytes_are_counted_whatever_the_route(small: Api) -> None:
    tenant = another_tenant(small)
    binary = {"Content-Type": "application/octet-stream"}
    upload = tenant.made("/v1/uploads", {})["id"]

    def part(number: int, size: int) -> int:
        path = f"/v1/uploads/{upload}/parts/{number}"
        return tenant.call("PUT", path, content=os.urandom(size), headers=binary).status_code

    assert [part(1, 6_000), part(2, 6_000), part(3, 3_000)] == [200, 429, 200]
    pool = tenant.made("/v1/pools", {})["id"]
    long = {"records": [question(1, metadata={"text": os.urandom(1_500).hex()})]}
    refused = tenant.post(f"/v1/pools/{pool}/batches", long)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    refused = tenant.post("/v1/selections", {"target": long["records"], "candidates": [question(1)], "k": 1})
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert tenant.made(f"/v1/uploads/{upload}/cancel", {})["status"] == "cancelled"  # makes room when full
    tenant.made(f"/v1/pools/{pool}/batches", long)
    codes = [
        tenant.call("POST", "/v1/files", content=bytes(400), headers=binary).status_code for _ in range(9)
    ]
    assert codes.count(201) < 9  # which would fit without the pool
    left = small.settings.home.rglob("uploads/**/*")
    assert not any(path.is_file() for path in left)


def test_a_full_disk_is_said_and_stores_nothing(migrated: str, tmp_path: Path) -> None:
    with serve(_new_database(migrated), tmp_path, disk_reserve_share=0.999) as api:
        binary = {"Content-Type": "application/octet-stream"}
        records = {"target": [question(9)], "candidates": [question(1)], "k": 1}
        answers = [
            api.call("POST", "/v1/files", content=b"x", headers=binary),
            api.post("/v1/targets", {"records": [question(1)]}),
            api.post("/v1/selections", records),
            api.post("/v1/evaluations", {"model": "smollm2-135m-instruct", "records": [question(1)]}),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
            assert answer.headers["retry-after"] == "60"
        for path in ("/v1/files", "/v1/targets", "/v1/selections"):
            assert api.get(path)["data"] == []


def test_records_and_bytes_are_limited(limited: Api) -> None:
    tenant = another_tenant(limited)
    tenant.made("/v1/targets", {"records": [question(n) for n in range(10)]})
    full = tenant.post("/v1/targets", {"records": [question(1)]})
    assert (full.status_code, full.json()["code"]) == (429, "quota_exceeded")
    other = another_tenant(limited)
    binary = {"headers": {"Content-Type": "application/octet-stream"}, "content": b"x" * 100_000}
    codes = [other.call("POST", "/v1/files", **binary).status_code for _ in range(2)]
    assert codes == [201, 429]


def test_a_selection_may_not_ask_for_too_much(limited: Api) -> None:
    tenant = another_tenant(limited)
    records = {"target": [question(9)], "candidates": [question(n) for n in range(6)]}
    for size in ({"k": 4}, {"ratio": 1.0}):
        answer = tenant.post("/v1/selections", {**records, **size})
        assert (answer.status_code, answer.json()["code"]) == (422, "k_over_limit")
        assert answer.json()["errors"][0]["pointer"] == "/k"
    assert tenant.get("/v1/selections")["data"] == []


def test_a_selection_that_memory_could_not_hold_is_refused_before_it_is_stored(
    migrated: str, tmp_path: Path
) -> None:
    most, database = 2_000, _new_database(migrated)
    stored = {"target": [question(n) for n in range(128)]}
    body = {**stored, "candidates": [question(n + 1_000) for n in range(most)], "k": most - 1}
    with serve(database, tmp_path, max_edges=most) as api:
        job = api.made("/v1/selections", body)
        api.post(f"/v1/selections/{job['id']}/cancel", {})
        ids = {name: job["request"][name] for name in ("target_id", "pool_id")}
    with serve(database, tmp_path, max_edges=most - 2) as api:
        for answer in (
            api.post("/v1/selections", {**ids, "k": most - 1}),
            api.post("/v1/selections?validate_only=true", {**ids, "k": most - 1}),
            api.post(f"/v1/selections/{job['id']}/retry", {}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "too_many_edges")
            assert "128 targets, 2000 candidates and a budget of 1999 rows" in answer.json()["detail"]
            assert answer.json()["errors"][0]["pointer"] == "/k"
        assert [row["id"] for row in api.get("/v1/selections")["data"]] == [job["id"]]
        assert api.post("/v1/selections", {**ids, "k": most - 2}).status_code == 202
        other = {"spec": {"method": "random"}, "k": most - 1}
        assert api.post("/v1/selections", {**ids, **other}).status_code == 202


def test_validate_only_says_the_cost_and_stores_nothing(api: Api, other: Api) -> None:
    records = [question(n, group="g" * n) for n in range(1, 41)]
    body = {"target": records[:1], "candidates": records[1:], "k": 5}
    answer = other.post("/v1/selections?validate_only=true", body)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["object"], found["rows"], found["request"]["k"]) == ("selection.estimate", 40, 5)
    assert found["basis"] == "formula"
    characters = sum(len(record["prompt"]) + len(record["completion"]) for record in records)
    assert characters / 8 < found["tokens"] < 8 * characters
    assert found["seconds"]["features"] > 0
    lengths = found["lengths"]
    assert sum(lengths["up_to"].values()) == lengths["rows"] == 39
    assert (lengths["longer"], lengths["on_long"]) == (None, "drop")
    told = {"max_length": 64, "on_long": "split_turns"}
    long = [*records[1:], {"prompt": "x" * 400, "completion": "y"}]
    asked = other.post(
        "/v1/selections?validate_only=true", {**body, "candidates": long, "features": told}
    ).json()["lengths"]
    assert (asked["longer"], asked["longest"], asked["on_long"]) == (1, 100, "split_turns")
    assert asked["up_to"] == {"64": 39, "128": 1}
    for path in ("/v1/selections", "/v1/targets", "/v1/pools"):
        assert other.get(path)["data"] == []
    refused = other.post("/v1/selections?validate_only=true", {**body, "k": 1000})
    assert (refused.status_code, refused.json()["code"]) == (422, "k_exceeds_pool")
    assert found["bytes"] == {
        "sketches": 24 * 24 * 8192 * 4, "features": 40 * 8192 * 2, "matrix": 40 * 8192 * 4
    }  # fmt: skip


def test_validate_only_counts_checkpoints_and_wide_sketches(other: Api) -> None:
    records = [question(n) for n in range(40)]
    body = {"target": records[:1], "candidates": records[1:], "k": 5}
    model = {"model": "smollm2-135m-instruct"}

    def cost(**features: Any) -> Any:
        answer = other.post("/v1/selections?validate_only=true", {**body, "features": features})
        assert answer.status_code == 200, answer.text
        return answer.json()

    one, three = cost(checkpoints=[model]), cost(checkpoints=[model] * 3)
    assert (one["rows"], three["rows"]) == (40, 40)
    assert three["seconds"]["features"] == pytest.approx(3 * one["seconds"]["features"], rel=0.05)
    assert three["seconds"]["transport"] == one["seconds"]["transport"]
    assert three["bytes"]["matrix"] == 3 * one["bytes"]["matrix"] == 3 * 40 * 8192 * 4
    wide = cost(sketch_in=1024, sketch_out=1024, dim=1024)
    assert wide["seconds"]["features"] > one["seconds"]["features"] + 2**30 / 1e9  # ten times as fast here


def test_sketches_that_no_machine_holds_are_refused_before_anything_is_stored(other: Api) -> None:
    records = [question(n) for n in range(3)]
    body = {"target": records[:1], "candidates": records[1:], "k": 1}
    wide = {"sketch_in": 256, "sketch_out": 256, "dim": 131_072}
    for query in ("", "?validate_only=true"):
        answer = other.post(f"/v1/selections{query}", {**body, "features": wide})
        assert answer.status_code == 422
        assert "sketch_in x sketch_out x dim is 8589934592" in answer.text
    assert other.get("/v1/pools")["data"] == []
