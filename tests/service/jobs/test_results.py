"""Items in three formats, two selections compared, and why a candidate is in or out."""

import io
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from store.artifacts import Artifacts
from store.jobs import lifecycle as jobs
from store.records.record import parse_record
from store.results import considered
from store.results import items as selected
from store.tables.states import JobKind
from tests.live import Api, question
from tests.service.finishing import finish

Json = dict[str, Any]


def item(rank: int, number: int, *, cosine: float = 0.5, target: str = "t1") -> Json:
    record = question(number, id=f"c{number}", metadata={"n": number})
    return {
        "rank": rank,
        "id": f"c{number}",
        "content_hash": parse_record(record).content_hash,
        "weight": 0.25,
        "repeats": 1,
        "score": 1.0 / rank,
        "targets": [{"id": target, "cosine": cosine, "mass": 0.1}],
        "why": "because",
        "record": record,
    }


def selection(api: Api, numbers: list[int], *, target_id: str | None = None, **items: Any) -> Json:
    """A completed selection of the candidates with those numbers, out of 12."""
    sent = [question(n, id=f"c{n}") for n in range(12)]
    body: Json = {"candidates": sent, "k": len(numbers), "target": [question(99, id="t1")]}
    if target_id:
        body |= {"target_id": target_id}
        del body["target"]
    job = api.made("/v1/selections", body)
    artifacts = Artifacts(api.settings.artifacts_url)
    chosen = [item(rank, number, **items) for rank, number in enumerate(numbers, 1)]
    usable = [parse_record(row) for row in sent if row["id"] != "c11"]
    rejected = artifacts.put_bytes("t/rejected", b'{"id":"c11","reason":"too_long"}\n', ".jsonl")
    found = {
        "diagnostics": {"transport": 0.4},
        "artifacts": {
            "items": selected.put(artifacts, "t/items", chosen),
            "rejected": {"path": rejected.path, "sha256": rejected.sha256, "rows": 1},
            "considered": considered.put(
                artifacts,
                "t/considered",
                ids=[record.id for record in usable],
                hashes=[record.content_hash for record in usable],
                nearest=["t1"] * len(usable),
                cosines=[record_number / 20 for record_number in range(len(usable))],
            ),
        },
    }
    finish(api, job["id"], found)
    return job | {"items": chosen}


def test_items_are_the_same_in_every_format(api: Api) -> None:
    job = selection(api, [3, 1, 2])
    path = f"/v1/selections/{job['id']}/items"
    pages = api.get(f"{path}?limit=2")["data"] + api.get(f"{path}?limit=2&after=2")["data"]
    rows = api.call("GET", path, headers={"Accept": "application/x-ndjson"}).content.splitlines()
    answer = api.call("GET", path, headers={"Accept": "application/vnd.apache.parquet"})
    table = pq.read_table(io.BytesIO(answer.content))
    assert pages == [orjson.loads(row) for row in rows] == job["items"]
    assert table.column("id").to_pylist() == ["c3", "c1", "c2"]
    assert table.column("prompt").to_pylist() == [one["record"]["prompt"] for one in pages]
    assert table.column("metadata").to_pylist()[0] == '{"n":3}'
    assert table.column("targets").to_pylist()[0] == pages[0]["targets"]
    empty = api.call("GET", f"{path}?after=3", headers={"Accept": "application/vnd.apache.parquet"})
    assert pq.read_table(io.BytesIO(empty.content)).num_rows == 0


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        (None, 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("application/*", 200, "application/json"),
        ("application/x-ndjson;q=0.5, application/json;q=0.1", 200, "application/x-ndjson"),
        ("text/html, application/x-ndjson", 200, "application/x-ndjson"),
        ("text/csv", 406, "application/problem+json"),
        ("application/json;q=0", 406, "application/problem+json"),
        ("application/json;q=x", 406, "application/problem+json"),
    ],
)
def test_accept_chooses(api: Api, accept: str | None, status: int, kind: str) -> None:
    job = selection(api, [1])
    headers = {} if accept is None else {"Accept": accept}
    answer = api.call("GET", f"/v1/selections/{job['id']}/items", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)


def test_two_selections_are_compared(api: Api) -> None:
    first = selection(api, [1, 2, 3, 4], cosine=0.5)
    target_id = api.get(f"/v1/selections/{first['id']}")["request"]["target_id"]
    second = selection(api, [4, 3, 2, 7], cosine=0.75, target_id=target_id)
    found = api.get(f"/v1/selections/{first['id']}/compare/{second['id']}")
    assert found["overlap"] == {"shared": 3, "only_first": 1, "only_second": 1, "jaccard": 0.6}
    assert found["rank_correlation"] == -1.0
    assert found["coverage"]["mean_cosine"] == {"first": 0.5, "second": 0.75, "change": 0.25}
    assert found["coverage"]["most_changed"][0]["target"] == "t1"
    assert found["transport"]["change"] == 0.0
    itself = api.get(f"/v1/selections/{first['id']}/compare/{first['id']}")
    assert (itself["overlap"]["jaccard"], itself["rank_correlation"]) == (1.0, 1.0)
    elsewhere = api.made("/v1/targets", {"records": [question(98, id="t1")]})["id"]
    other = selection(api, [9], target_id=elsewhere)
    apart = api.get(f"/v1/selections/{first['id']}/compare/{other['id']}")
    assert (apart["rank_correlation"], apart["coverage"]) == (None, None)


def test_a_candidate_says_why_it_is_in_or_out(api: Api) -> None:
    job = selection(api, [3, 1])
    pool_id = api.get(f"/v1/selections/{job['id']}")["request"]["pool_id"]
    path = f"/v1/selections/{job['id']}/candidates"
    chosen = api.get(f"{path}/c1")
    assert (chosen["status"], chosen["item"]["rank"], chosen["reason"]) == ("selected", 2, "because")
    assert api.get(f"{path}/{chosen['content_hash']}") == chosen
    out = api.get(f"{path}/c5")
    assert (out["status"], out["nearest_target"]["id"]) == ("not_selected", "t1")
    assert out["nearest_target"]["cosine"] == pytest.approx(0.25)
    assert (out["last_selected"]["id"], out["last_selected"]["cosine"]) == ("c1", 0.5)
    unusable = api.get(f"{path}/c11")
    assert (unusable["status"], unusable["reason"]) == ("not_usable", "too_long")
    assert api.call("GET", f"{path}/nobody").status_code == 404
    late = api.made(f"/v1/pools/{pool_id}/batches", {"records": [question(50, id="late")]})
    assert late["version"] == 2
    assert api.call("GET", f"{path}/late").status_code == 404


def test_a_copy_is_told_what_it_repeats(api: Api) -> None:
    pool_id = api.made("/v1/pools", {})["id"]
    sent = [question(n, id=f"c{n}") for n in range(4)] + [question(1, id="copy/of 1")]
    api.made(f"/v1/pools/{pool_id}/batches", {"records": sent})
    body = {"pool_id": pool_id, "target": [question(99, id="t1")], "k": 1}
    job = api.made("/v1/selections", body)
    stored = selected.put(Artifacts(api.settings.artifacts_url), "t/items", [item(1, 1)])
    finish(api, job["id"], {"artifacts": {"items": stored}})
    found = api.get(f"/v1/selections/{job['id']}/candidates/copy%2Fof%201")
    assert (found["id"], found["repeated"], found["status"]) == ("c1", True, "selected")
    with api.database.transaction() as session:
        assert jobs.get(session, api.tenant_id, job["id"], JobKind.SELECTION).request["k"] == 1
    unselected = api.get(f"/v1/selections/{job['id']}/candidates/c2")
    assert (unselected["status"], unselected["nearest_target"]) == ("not_selected", None)


@pytest.mark.parametrize("path", ["items", "rejected", "candidates/c1", "compare/{id}"])
def test_results_of_a_running_selection_are_not_there(api: Api, path: str) -> None:
    body = {"target": [question(9)], "candidates": [question(1)], "k": 1}
    job_id = api.made("/v1/selections", body)["id"]
    answer = api.call("GET", f"/v1/selections/{job_id}/{path.format(id=job_id)}")
    assert (answer.status_code, answer.json()["code"]) == (409, "selection_not_completed")


def test_of_contents_with_one_id_the_selected_one_is_told(api: Api) -> None:
    """Ids are the clients': two contents may have the same one, and their hashes tell them apart."""
    sent = [question(1, id="same"), question(2, id="same"), question(3, id="same"), question(4, id="other")]
    job = api.made("/v1/selections", {"candidates": sent, "k": 1, "target": [question(99, id="t1")]})
    picked, left_out = parse_record(sent[1]), parse_record(sent[2])
    artifacts = Artifacts(api.settings.artifacts_url)
    row = {**item(1, 2), "id": "same", "content_hash": picked.content_hash, "record": sent[1]}
    rejected = artifacts.put_bytes("t/rejected", b'{"id":"same","reason":"too_long"}\n', ".jsonl")
    usable = [parse_record(sent[number]) for number in (0, 1, 3)]
    found = {
        "items": selected.put(artifacts, "t/items", [row]),
        "rejected": {"path": rejected.path, "sha256": rejected.sha256, "rows": 1},
        "considered": considered.put(
            artifacts,
            "t/considered",
            ids=[record.id for record in usable],
            hashes=[record.content_hash for record in usable],
            nearest=["t1"] * 3,
            cosines=[0.5] * 3,
        ),
    }
    finish(api, job["id"], {"artifacts": found})
    path = f"/v1/selections/{job['id']}/candidates"
    told = api.get(f"{path}/same")
    assert (told["status"], told["content_hash"]) == ("selected", picked.content_hash)
    first = api.get(f"{path}/{parse_record(sent[0]).content_hash}")
    assert (first["status"], first["id"]) == ("not_selected", "same")
    unusable = api.get(f"{path}/{left_out.content_hash}")
    assert (unusable["status"], unusable["reason"]) == ("not_usable", "too_long")
