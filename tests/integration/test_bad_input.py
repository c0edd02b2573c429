"""Bad input over real HTTP: each is refused with a code that says what to do, and nothing of it is stored."""

import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live import Api, lines, question

NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
NO_ID = "_00000000000000000000000000"


@pytest.fixture(scope="module")
def pool_id(api: Api) -> str:
    found: str = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{found}/batches", {"records": [question(n) for n in range(5)]})
    return found


@pytest.fixture(scope="module")
def target_id(api: Api) -> str:
    found: str = api.made("/v1/targets", {"records": [question(50)]})["id"]
    return found


@pytest.mark.parametrize(
    "content", [b"", b"{", b"nonsense", b'{"records": [}', b"\xff\xfe{}", b'{"records": ["\xff"]}']
)
@pytest.mark.parametrize("path", ["/v1/targets", "/v1/pools/{pool}/batches", "/v1/selections"])
def test_not_json(api: Api, pool_id: str, path: str, content: bytes) -> None:
    answer = api.call("POST", path.format(pool=pool_id), content=content, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] in ("not_json", "bad_request", "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [[], "text", 7, None, [question(1)]])
def test_a_body_that_is_not_an_object(api: Api, body: object) -> None:
    answer = api.post("/v1/targets", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "not_json"),
        ("[1]", "not_an_object"),
        ("7", "not_an_object"),
        ("null", "not_an_object"),
        ('{"completion": "a"}', "no_prompt"),
        ('{"prompt": "a", "completion": ""}', "empty_completion"),
        ('{"prompt": "a", "label": 1}', "no_completion"),
        (b'{"prompt": "a\xff", "completion": "b"}', "not_json"),
        ('{"prompt": "a", "completion": NaN}', "not_json"),
        ("[" * 2000 + "]" * 2000, "not_json"),
    ],
)
def test_one_bad_line_refuses_the_batch_and_stores_nothing(
    api: Api, pool_id: str, line: str | bytes, code: str
) -> None:
    before = api.get(f"/v1/pools/{pool_id}")
    content = lines(question(1), line, question(2))
    answer = api.call("POST", f"/v1/pools/{pool_id}/batches", content=content, headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_records")
    (fault,) = answer.json()["errors"]
    assert (fault["line"], fault["code"]) == (2, code)
    assert api.get(f"/v1/pools/{pool_id}") == before


def test_utf16_is_not_half_accepted(api: Api, pool_id: str) -> None:
    content = '{"prompt": "a", "completion": "b"}\n'.encode("utf-16")
    answer = api.call("POST", f"/v1/pools/{pool_id}/batches", content=content, headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_records")


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_no_records(api: Api, pool_id: str, content: bytes) -> None:
    answer = api.call("POST", f"/v1/pools/{pool_id}/batches", content=content, headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_records")
    assert api.post("/v1/targets", {"records": []}).json()["code"] == "no_records"
    assert api.post(f"/v1/pools/{pool_id}/batches", {"records": []}).json()["code"] == "no_records"


def test_skip_with_no_good_line_is_refused(api: Api, pool_id: str) -> None:
    answer = api.call("POST", f"/v1/pools/{pool_id}/batches?on_invalid=skip", content=b"{\n", headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_records")


def test_all_faults_are_listed_with_their_place(api: Api) -> None:
    answer = api.post("/v1/targets", {"records": [question(1), {}, "text", {"prompt": "a"}]})
    assert answer.status_code == 422
    places = [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]
    assert places == [
        ("/records/1", "no_prompt"),
        ("/records/2", "not_an_object"),
        ("/records/3", "no_completion"),
    ]


def test_a_json_body_of_20_mb(api: Api, pool_id: str) -> None:
    content = b'{"records": [' + b" " * (20 * 10**6) + b"]}"
    for path in ("/v1/targets", f"/v1/pools/{pool_id}/batches", "/v1/selections"):
        answer = api.call("POST", path, content=content, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_20_mb_that_come_without_a_length(api: Api) -> None:
    pieces = (b" " * 10**6 for _ in range(20))
    answer = api.call("POST", "/v1/targets", content=pieces, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_line_without_end(api: Api, pool_id: str) -> None:
    answer = api.call("POST", f"/v1/pools/{pool_id}/batches", content=b"x" * (3 * 2**20), headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "line_too_long")


def test_too_many_inline_records(api: Api) -> None:
    answer = api.post("/v1/targets", {"records": [question(1)] * 10_001})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_records")


@pytest.mark.parametrize("kind", ["text/html", "multipart/form-data", ""])
def test_another_media_type(api: Api, pool_id: str, kind: str) -> None:
    answer = api.call("POST", f"/v1/pools/{pool_id}/batches", content=b"a,b", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"k": 0}, "invalid_request", "/k"),
        ({"k": -3}, "invalid_request", "/k"),
        ({"k": 2.5}, "invalid_request", "/k"),
        ({"k": True}, "invalid_request", "/k"),
        ({"k": "3"}, "invalid_request", "/k"),
        ({"k": 2**64}, "invalid_request", "/k"),
        ({"k": 2**31 - 1}, "k_exceeds_pool", "5 candidates"),
        ({"k": 6}, "k_exceeds_pool", "5 candidates"),
        ({"k": 2, "ratio": 0.5}, "invalid_request", "exactly one of k, ratio, tokens, got k and ratio"),
        ({"k": None}, "invalid_request", "exactly one of k, ratio, tokens, got none"),
        ({"k": None, "ratio": 0}, "invalid_request", "/ratio"),
        ({"k": None, "ratio": 1.5}, "invalid_request", "/ratio"),
        ({"method": "magic"}, "invalid_request", "/method"),
        ({"model": "gpt-9"}, "unknown_model", "gpt-9"),
        ({"model": "../../etc/passwd"}, "unknown_model", "passwd"),
        ({"spec": {"epsilon": -1}}, "invalid_request", "/spec/epsilon"),
        ({"spec": {"nonsense": 1}}, "invalid_request", "/spec/nonsense"),
        ({"features": {"nonsense": 1}}, "invalid_request", "/features/nonsense"),
        ({"features": {"layers": "top-0"}}, "invalid_request", "use all, top-N or every-N"),
        ({"features": {"modules": "("}}, "invalid_request", "no regular expression"),
        ({"features": {"dim": 0}}, "invalid_request", "/features/dim"),
        (
            {"features": {"kind": "hidden", "precondition": "adam"}},
            "invalid_request",
            "belong to gradients, not to kind 'hidden'",
        ),
        ({"features": {"checkpoints": [{"model": "gpt-9"}]}}, "unknown_model", "gpt-9"),
        (
            {"features": {"checkpoints": [{"model": "a", "weight": 0}]}},
            "invalid_request",
            "/features/checkpoints/0/weight",
        ),
        ({"model": "a", "features": {"checkpoints": [{"model": "a"}]}}, "invalid_request", "send one"),
        ({"method": "random", "spec": {"method": "capacity"}}, "invalid_request", "send one"),
        ({"method": "less", "spec": {"tradeoff": True}}, "invalid_request", "belong to method 'capacity'"),
        ({"seed": -1}, "invalid_request", "/seed"),
        ({"seed": 2**31}, "invalid_request", "/seed"),
        ({"unknown": 1}, "invalid_request", "/unknown"),
        ({"name": "a\x00b"}, "invalid_request", "/name"),
        ({"metadata": {"a": 1}}, "invalid_request", "/metadata/a"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "invalid_request", "/metadata"),
        ({"pool_id": "pool" + NO_ID}, "not_found", "pool" + NO_ID),
        ({"target_id": "tgt" + NO_ID}, "not_found", "tgt" + NO_ID),
        ({"target_id": "pool" + NO_ID}, "not_found", "pool" + NO_ID),
        ({"pool_version": 9}, "invalid_value", "versions 0 to 1"),
        ({"pool_version": 0}, "empty_pool", "empty"),
        ({"exclude_selection_ids": ["sel" + NO_ID]}, "not_found", "sel" + NO_ID),
        ({"target": [question(1)]}, "invalid_request", "one of target_id and target, got target_id and"),
        ({"candidates": []}, "invalid_request", "one of pool_id and candidates, got pool_id and"),
        ({"target_id": None, "target": []}, "no_records", "/target"),
    ],
)
def test_selections_that_cannot_be(
    api: Api, pool_id: str, target_id: str, change: dict[str, Any], code: str, said: str
) -> None:
    before = len(api.get("/v1/selections?limit=1000")["data"])
    answer = api.post("/v1/selections", {"target_id": target_id, "pool_id": pool_id, "k": 2, **change})
    assert answer.json()["code"] == code, answer.text
    assert answer.status_code == (404 if code == "not_found" else 422)
    assert said in answer.text
    assert len(api.get("/v1/selections?limit=1000")["data"]) == before


def test_a_refused_inline_selection_leaves_no_target_and_no_pool(api: Api) -> None:
    before = [len(api.get(f"/v1/{noun}?limit=1000")["data"]) for noun in ("targets", "pools")]
    answer = api.post("/v1/selections", {"target": [question(1)], "candidates": [question(2)], "k": 2})
    assert answer.json()["code"] == "k_exceeds_pool"
    assert [len(api.get(f"/v1/{noun}?limit=1000")["data"]) for noun in ("targets", "pools")] == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/trainings", {"selection_id": "sel" + NO_ID}),
        ("/v1/evaluations", {"model": "smollm2-135m-instruct", "target_id": "tgt" + NO_ID}),
        ("/v1/pools/pool" + NO_ID + "/batches", {"records": [question(1)]}),
        ("/v1/selections/sel" + NO_ID + "/cancel", {}),
    ],
)
def test_unknown_ids_in_other_requests(api: Api, path: str, body: object) -> None:
    answer = api.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_evaluation_of_an_unknown_model(api: Api, target_id: str) -> None:
    answer = api.post("/v1/evaluations", {"model": "mdl" + NO_ID, "target_id": target_id})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_model")


def test_the_edges_are_accepted(api: Api, pool_id: str) -> None:
    one = [question(1)]
    assert api.post("/v1/selections", {"target": one, "candidates": one, "k": 1}).status_code == 202
    same = [question(2)] * 6  # stored once
    assert api.post("/v1/selections", {"target": one, "candidates": same, "k": 1}).status_code == 202
    answer = api.post("/v1/selections", {"target": one, "candidates": same, "k": 2})
    assert (answer.status_code, answer.json()["code"]) == (422, "k_exceeds_pool")
    assert api.post("/v1/selections", {"target": one, "pool_id": pool_id, "ratio": 1.0}).status_code == 202


def test_a_connection_cut_in_mid_upload_leaves_nothing(
    api: Api, pool_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = api.get(f"/v1/pools/{pool_id}")
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST /v1/pools/{pool_id}/batches HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {api.api_key}\r\n"
            "Content-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n"
        )
        connection.sendall(head.encode() + lines(question(1), question(2)))
    assert api.get(f"/v1/pools/{pool_id}") == before
    time.sleep(0.3)  # the server sees the end of the connection a little later
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_nothing_is_left_in_the_temporary_folder(api: Api, pool_id: str, tmp_path: Path) -> None:
    folder = Path(tempfile.gettempdir())
    before = set(folder.glob("evoselect-batch-*"))
    api.call("POST", f"/v1/pools/{pool_id}/batches", content=b"{\n", headers=NDJSON)
    api.call("POST", f"/v1/pools/{pool_id}/batches", content=lines(question(77)), headers=NDJSON)
    assert set(folder.glob("evoselect-batch-*")) <= before
