"""Uploaded files, and selections that refer to them, over real HTTP."""

from typing import Any

import pytest

from tests.live import Api, question

BINARY = {"Content-Type": "application/octet-stream"}


def upload(api: Api, content: bytes, name: str = "m.npy") -> dict[str, Any]:
    answer = api.call("POST", f"/v1/files?name={name}", content=content, headers=BINARY)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def request_body(**more: Any) -> dict[str, Any]:
    records = {"target": [question(90)], "candidates": [question(1), question(2)]}
    return {**records, "k": 1, "features": {"kind": "provided"}, **more}


def test_a_file_is_stored_and_listed(api: Api) -> None:
    made = upload(api, b"bytes")
    assert (made["object"], made["name"], made["size"]) == ("file", "m.npy", 5)
    assert api.get(f"/v1/files/{made['id']}") == made
    assert made["id"] in [row["id"] for row in api.get("/v1/files")["data"]]


def test_an_empty_body_and_another_type_are_refused(api: Api) -> None:
    empty = api.call("POST", "/v1/files", content=b"", headers=BINARY)
    assert (empty.status_code, empty.json()["code"]) == (422, "empty_file")
    other = api.call("POST", "/v1/files", content=b"x", headers={"Content-Type": "image/png"})
    assert (other.status_code, other.json()["code"]) == (415, "unsupported_media_type")


def test_a_selection_over_provided_features_needs_no_feature_phase(api: Api) -> None:
    files = {"target": upload(api, b"t")["id"], "pool": upload(api, b"p")["id"]}
    job = api.made("/v1/selections", request_body(feature_files=files))
    assert job["phase"] == "transport"
    assert job["request"]["feature_files"] == files


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"feature_files": {"target": "file_1"}},
        {"feature_files": {"target": "file_1", "pool": "file_2"}, "features": {}},
    ],
)
def test_files_and_kind_belong_together(api: Api, more: dict[str, Any]) -> None:
    answer = api.post("/v1/selections", request_body(**more))
    assert answer.status_code == 422


def test_an_unknown_file_is_not_found(api: Api) -> None:
    files = {"target": "file_1", "pool": upload(api, b"p")["id"]}
    answer = api.post("/v1/selections", request_body(feature_files=files))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
