"""An index by real workers and a tiny model: exact, grown by its new rows alone, gone with its pool."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from store.artifacts import Artifacts
from store.data import nearest, pool_indexes, pools
from store.data.pool_indexes import IndexFiles
from store.upkeep import retention
from tests.live import Api, Json, another_tenant
from tests.workers.line import Line, whole_line
from tests.workers.proxy import ALIAS, NATIONS

Halves = npt.NDArray[np.float16]
TARGET = [{"prompt": "what is the capital of peru", "completion": "lima"}]


@pytest.fixture
def line(
    database_url: str, tmp_path: Path, proxy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    listing = tmp_path / "models.json"
    listing.write_text(json.dumps({ALIAS: {"kind": "folder", "location": str(proxy_folder)}}))
    with whole_line(database_url, tmp_path / "home", listing, monkeypatch) as found:
        yield found


def rows(start: int, stop: int) -> list[Json]:
    """Questions that all differ."""
    found = []
    for number in range(start, stop):
        nation, capital = NATIONS[number % len(NATIONS)].split()
        letters = " ".join("abcdefghijklmnopqrstuvwxyz"[number // 6 % 26 :][:3])
        found.append(
            {
                "id": f"r{number}",
                "prompt": f"{letters} what is the capital of {nation}",
                "completion": f"it is called {capital} {letters}",
            }
        )
    return found


def pool_of(api: Api, *batches: list[Json]) -> str:
    pool: str = api.made("/v1/pools", {})["id"]
    for batch in batches:
        api.made(f"/v1/pools/{pool}/batches", {"records": batch})
    return pool


def selected(line: Line, pool: str, **features: Any) -> Json:
    target = line.api.made("/v1/targets", {"records": TARGET})["id"]
    body = {"target_id": target, "pool_id": pool, "k": 3, "model": ALIAS, "features": features}
    job = line.done("selections", body)
    assert job["status"] == "completed", job["error"]
    return job


def indexed(line: Line, pool: str, **more: Any) -> Json:
    job = line.done("indexings", {"pool_id": pool, **more})
    assert job["status"] == "completed", job["error"]
    result: Json = job["result"]
    return result


def similar(api: Api, pool: str, name: str, limit: int = 10) -> Json:
    return api.get(f"/v1/pools/{pool}/similar?record_id={name}&limit={limit}")


def held(line: Line, pool: str) -> tuple[IndexFiles, dict[int, Halves]]:
    """The index, and the row of each number as its files have it."""
    with line.api.database.transaction() as session:
        row = pool_indexes.find(session, pool)
        assert row is not None
        files = IndexFiles.model_validate(row.files)
    artifacts = Artifacts(line.api.settings.artifacts_url)
    found: dict[int, Halves] = {}
    for part in files.parts:
        with artifacts.open(part.file.path) as stream:
            data = io.BytesIO(stream.read())
        status = nearest.statuses(data, part, files)
        usable = np.flatnonzero(status == files.statuses.index("ok")) + part.first
        found |= dict(zip(usable.tolist(), nearest.in_order(data, part, files), strict=True))
    return files, found


def by_force(found: dict[int, Halves], number: int, count: int) -> list[tuple[int, float]]:
    """The twin: every cosine, sorted."""
    own = found[number].astype(np.float64)
    told = []
    for other, row in found.items():
        whole = row.astype(np.float64)
        if other != number:
            told.append((-round(float(whole @ own / np.linalg.norm(whole) / np.linalg.norm(own)), 9), other))
    return [(other, -cosine) for cosine, other in sorted(told)[:count]]


@pytest.mark.parametrize("features", [{}, {"kind": "hidden"}, {"kind": "combined"}], ids=str)
def test_what_it_finds_is_what_every_cosine_says(line: Line, features: Json) -> None:
    pool = pool_of(line.api, rows(0, 20), rows(20, 40))
    selected(line, pool, dim=64, **features)
    result = indexed(line, pool)
    kind = features.get("kind", "gradient")
    assert result["kind"] == ("hidden" if kind == "combined" else kind)
    assert (result["rows"], result["usable"], result["added"]) == (40, 40, 40)
    _, found = held(line, pool)
    assert len(found) == 40
    for name in ("r0", "r17", "r39"):
        answer = similar(line.api, pool, name, 7)
        numbers = [(row["number"] - 1, row["cosine"]) for row in answer["data"]]
        wanted = by_force(found, int(name[1:]), 7)
        assert [number for number, _ in numbers] == [number for number, _ in wanted]
        assert [cosine for _, cosine in numbers] == pytest.approx([cosine for _, cosine in wanted], abs=1e-6)
        assert answer["of"]["record"]["id"] == name
        assert answer["index"]["exact"]
        assert answer["missing"] == 0
        assert {row["record"]["id"] for row in answer["data"]} == {f"r{number}" for number, _ in wanted}


def test_a_pool_that_grew_is_gone_on_from(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 20))
    selected(line, pool, dim=64)
    indexed(line, pool)
    files, before = held(line, pool)
    line.api.made(f"/v1/pools/{pool}/batches", {"records": rows(20, 35)})
    answer = similar(line.api, pool, "r3")
    assert (answer["missing"], answer["index"]["version"]) == (15, 1)
    assert refused(line.api, pool, "r30") == (409, "record_not_indexed")
    result = indexed(line, pool)
    assert (result["version"], result["rows"], result["added"]) == (2, 35, 15)
    job = line.api.get("/v1/indexings")["data"][0]
    assert job["progress"]["phases"]["features"]["total"] == 15  # of the new batch alone
    grown, after = held(line, pool)
    assert (grown.conditioner, grown.fitted) == (files.conditioner, 20)
    assert all((after[number] == row).all() for number, row in before.items())
    answer = similar(line.api, pool, "r30", 5)
    assert answer["missing"] == 0
    assert [row["number"] - 1 for row in answer["data"]] == [other for other, _ in by_force(after, 30, 5)]


def test_one_that_has_more_than_doubled_is_fitted_again_without_a_pass_of_the_model(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 10))
    indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    line.api.made(f"/v1/pools/{pool}/batches", {"records": rows(10, 35)})
    result = indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    assert (result["rows"], result["added"]) == (35, 35)
    assert held(line, pool)[0].fitted == 35


def test_cells_find_what_they_are_measured_to_and_all_of_them_everything(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.phases.index.FLAT_BYTES", 1)
    monkeypatch.setattr("workers.selections.indexes.parts.PART_BYTES", 32 * 2 * 30)  # thirty rows
    pool = pool_of(line.api, rows(0, 50), rows(50, 120))
    result = indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    assert (result["cells"], result["width"]) == (10, 32)
    assert 0.95 <= result["recall"] <= 1.0
    files, found = held(line, pool)
    assert [(part.first, part.rows) for part in files.parts] == [(0, 30), (30, 30), (60, 30), (90, 30)]
    artifacts = Artifacts(line.api.settings.artifacts_url)
    every = files.model_copy(update={"probes": files.cells})
    hits = 0
    for number in range(120):
        direction = nearest.row(artifacts, files, number).direction
        assert direction is not None
        exact = nearest.nearest(artifacts, every, direction, 10, without=number)
        wanted = [other for other, _ in by_force(found, number, 10)]
        assert exact.numbers.tolist() == wanted
        some = nearest.nearest(artifacts, files, direction, 10, without=number)
        hits += len(set(some.numbers.tolist()) & set(wanted))
    assert hits / 1200 == pytest.approx(result["recall"], abs=0.01)  # float32 tells near ties apart otherwise
    answer = similar(line.api, pool, "r7")
    assert (answer["index"]["exact"], answer["index"]["recall"]) == (False, result["recall"])
    line.api.made(f"/v1/pools/{pool}/batches", {"records": rows(120, 140)})
    assert indexed(line, pool, model=ALIAS, features={"kind": "hidden"})["added"] == 20
    grown, _ = held(line, pool)
    assert grown.parts[:4] == files.parts
    assert similar(line.api, pool, "r130")["missing"] == 0


def test_equal_rows_come_by_number_wherever_they_lie(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    api, pool = line.api, pool_of(line.api, rows(0, 40))
    monkeypatch.setattr(nearest, "BLOCK_BYTES", 2 * 3 * 7)  # seven rows
    sent = np.tile(np.eye(3, dtype=np.float32)[:2], (20, 1))
    names = {"pool": stored(api, sent), "target": stored(api, sent[:1])}
    target = api.made("/v1/targets", {"records": TARGET})["id"]
    body = {"target_id": target, "pool_id": pool, "k": 2, "feature_files": names}
    job = line.done("selections", {**body, "features": {"kind": "provided", "conditioning": "none"}})
    assert job["status"] == "completed", job["error"]
    indexed(line, pool)
    answer = similar(api, pool, "r5", 30)["data"]
    odd, even = [row for row in range(1, 40, 2) if row != 5], list(range(0, 40, 2))
    assert [row["number"] - 1 for row in answer] == [*odd, *even[:11]]
    assert [row["cosine"] for row in answer] == [1.0] * 19 + [0.0] * 11


def test_other_features_make_it_anew_and_the_same_ones_change_nothing(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 12))
    first = indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    again = indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    assert {**again, "added": 12} == first
    assert again["added"] == 0
    other = indexed(line, pool, model=ALIAS, features={"dim": 32})
    assert (other["kind"], other["added"]) == ("gradient", 12)


def test_rows_without_features_are_left_out_and_say_why(line: Line) -> None:
    long = {"id": "long", "prompt": "please " * 100, "completion": "x"}
    pool = pool_of(line.api, [*rows(0, 8), long])
    result = indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    assert (result["usable"], result["left_out"]) == (8, {"too_long": 1})
    assert "long" not in [row["record"]["id"] for row in similar(line.api, pool, "r1")["data"]]
    answer = line.api.call("GET", f"/v1/pools/{pool}/similar?record_id=long")
    assert (answer.status_code, answer.json()["code"]) == (409, "record_without_features")
    assert "too_long" in answer.json()["detail"]


def test_near_copies_are_told(line: Line) -> None:
    words = ["fox owl", "sun sky", "red tea", "ice cup", "map key", "jam bun"]
    texts = [
        {"id": f"r{n}", "prompt": f"{word} {n}", "completion": word[::-1]} for n, word in enumerate(words)
    ]
    copy = {**texts[0], "id": "copy", "completion": texts[0]["completion"] + " ."}
    pool = pool_of(line.api, [*texts, copy])
    result = indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    assert result["near_copies"] == {"clusters": 1, "rows": 2}
    told = {row["record"]["id"]: row["near_copy"] for row in similar(line.api, pool, "r0", 12)["data"]}
    assert [name for name, copied in told.items() if copied] == ["copy"]
    assert not any(row["near_copy"] for row in similar(line.api, pool, "r5", 12)["data"])


def test_features_that_were_sent_are_compared_as_they_are(line: Line) -> None:
    api, pool = line.api, pool_of(line.api, rows(0, 6))
    target = api.made("/v1/targets", {"records": TARGET})["id"]
    sent = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    names = {"pool": stored(api, sent), "target": stored(api, sent[:1])}
    body = {"target_id": target, "pool_id": pool, "k": 2, "feature_files": names}
    job = line.done("selections", {**body, "features": {"kind": "provided", "conditioning": "none"}})
    assert job["status"] == "completed", job["error"]
    assert indexed(line, pool)["kind"] == "provided"
    unit = sent / np.linalg.norm(sent, axis=1, keepdims=True)
    answer = similar(api, pool, "r2", 5)["data"]
    order = [int(row) for row in np.argsort(-(unit @ unit[2])) if row != 2]
    assert [row["number"] - 1 for row in answer] == order
    assert answer[0]["cosine"] == pytest.approx(float(unit[order[0]] @ unit[2]), abs=2e-3)
    api.made(f"/v1/pools/{pool}/batches", {"records": rows(6, 9)})
    assert indexed(line, pool)["version"] == 1  # the file has no rows for the others
    assert similar(api, pool, "r2")["missing"] == 3


def test_a_single_record_has_an_index(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 1))
    assert indexed(line, pool, model=ALIAS, features={"kind": "hidden"})["usable"] == 1
    assert similar(line.api, pool, "r0")["data"] == []


def test_nothing_of_it_is_left_with_its_pool(line: Line) -> None:
    api = line.api
    pool = pool_of(api, rows(0, 8))
    indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    files, _ = held(line, pool)
    with api.database.transaction() as session:
        size = pools.get(session, api.tenant_id, pool).size
        batches = sum(batch.artifact != "" for batch in pools.batches(session, pool, 1))
    assert batches == 1
    assert size > files.size > 0
    artifacts = Artifacts(api.settings.artifacts_url)
    assert files.parts[0].file.path not in retention.orphans(api.database, artifacts, age_seconds=-60.0)
    assert api.call("DELETE", f"/v1/pools/{pool}").status_code == 200
    orphans = retention.orphans(api.database, artifacts, age_seconds=-60.0)
    assert {part.file.path for part in files.parts} | {files.conditioner.path} <= set(orphans)
    assert api.call("GET", f"/v1/pools/{pool}/similar?record_id=r1").status_code == 404


def test_another_tenant_sees_nothing_and_has_features_of_its_own(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 8))
    job = line.done("indexings", {"pool_id": pool, "model": ALIAS, "features": {"kind": "hidden"}})
    other = another_tenant(line.api)
    for path in (f"/v1/pools/{pool}/similar?record_id=r1", f"/v1/indexings/{job['id']}"):
        answer = other.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert other.get("/v1/indexings")["data"] == []
    theirs = pool_of(other, [*rows(0, 4), *rows(20, 24)])
    body = {"pool_id": theirs, "model": ALIAS, "features": {"kind": "hidden"}}
    made = other.made("/v1/indexings", body)
    while line.place.drain():
        pass
    assert other.get(f"/v1/indexings/{made['id']}")["status"] == "completed"
    ids = {row["record"]["id"] for row in similar(other, theirs, "r1", 100)["data"]}
    assert ids == {"r0", "r2", "r3", "r20", "r21", "r22", "r23"}


def test_what_cannot_be_answered_says_what_to_do(line: Line) -> None:
    api = line.api
    empty = pool_of(api)
    assert refused(api, empty, "r1") == (422, "empty_pool")
    assert api.post("/v1/indexings", {"pool_id": empty, "model": ALIAS}).json()["code"] == "empty_pool"
    pool = pool_of(api, rows(0, 8))
    assert refused(api, pool, "r1") == (409, "no_index")
    assert api.post("/v1/indexings", {"pool_id": pool}).json()["code"] == "no_features"
    provided = {"pool_id": pool, "features": {"kind": "provided"}}
    assert api.post("/v1/indexings", provided).json()["code"] == "invalid_request"
    body = {"pool_id": pool, "model": ALIAS, "features": {"kind": "hidden"}}
    made = api.made("/v1/indexings", body)
    assert api.made("/v1/indexings", body)["id"] == made["id"]
    assert api.post("/v1/indexings", {**body, "features": {"dim": 64}}).json()["code"] == "indexing_open"
    answer = api.call("GET", f"/v1/pools/{pool}/similar?record_id=r1")
    assert (answer.status_code, answer.json()["code"]) == (409, "index_not_ready")
    assert made["id"] in answer.json()["detail"]
    assert api.call("DELETE", f"/v1/pools/{pool}").json()["code"] == "pool_in_use"
    while line.place.drain():
        pass
    assert refused(api, pool, "nobody") == (404, "not_found")
    answer = api.call("GET", f"/v1/pools/{pool}/similar?text=capital")
    assert (answer.status_code, answer.json()["code"]) == (409, "text_needs_worker")
    for query in (
        "record_id=r1&text=a",
        "record_id=r1&limit=0",
        "record_id=r1&limit=101",
        "limit=3",
        "record_id=r1&k=3",
    ):
        answer = api.call("GET", f"/v1/pools/{pool}/similar?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), query
    api.made(f"/v1/pools/{pool}/batches", {"records": [{**rows(1, 2)[0], "id": "copied"}]})
    assert similar(api, pool, "copied") == similar(api, pool, "r1")
    by_hash = similar(api, pool, "r1")["of"]["record"]["content_hash"]
    assert similar(api, pool, by_hash) == similar(api, pool, "r1")


def test_files_that_are_gone_are_told_and_made_again(line: Line) -> None:
    pool = pool_of(line.api, rows(0, 8))
    indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    files, _ = held(line, pool)
    artifacts = Artifacts(line.api.settings.artifacts_url)
    artifacts.remove(files.parts[0].file.path)
    assert refused(line.api, pool, "r1") == (409, "index_damaged")
    assert indexed(line, pool, model=ALIAS, features={"kind": "hidden"})["added"] == 8
    assert similar(line.api, pool, "r1")["data"]


def test_a_tenant_without_room_is_told_before_anything_is_stored(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(line.api, rows(0, 8))
    context = line.place.context
    small = context.settings.model_copy(update={"max_stored_bytes": 10})
    monkeypatch.setattr(line.place, "context", replace(context, settings=small))
    job = line.done("indexings", {"pool_id": pool, "model": ALIAS, "features": {"kind": "hidden"}})
    assert (job["status"], job["error"]["code"]) == ("failed", "quota_exceeded")
    assert refused(line.api, pool, "r1") == (409, "no_index")


def refused(api: Api, pool: str, name: str) -> tuple[int, str]:
    answer = api.call("GET", f"/v1/pools/{pool}/similar?record_id={name}")
    return answer.status_code, answer.json()["code"]


def stored(api: Api, matrix: npt.NDArray[np.float32]) -> str:
    """The id of the file."""
    data = io.BytesIO()
    np.save(data, matrix)
    headers = {"Content-Type": "application/octet-stream"}
    answer = api.call("POST", "/v1/files?name=rows.npy", content=data.getvalue(), headers=headers)
    found: str = answer.json()["id"]
    return found
