"""Files and uploads over real connections: cut at any byte, resumed, served whole or by ranges, deleted."""

import hashlib
import os
import random
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from store.artifacts import Artifacts
from store.data import uploads
from store.errors import Conflict
from tests.live import Api, eventually, question

BINARY = {"Content-Type": "application/octet-stream"}
CONTENT = os.urandom(300_000)


def part(api: Api, upload_id: str, number: int, content: bytes, query: str = "") -> Any:
    path = f"/v1/uploads/{upload_id}/parts/{number}{query}"
    return api.call("PUT", path, content=content, headers=BINARY)


def cut(api: Api, path: str, method: str, content: bytes, sent: int) -> None:
    """Send the head and `sent` bytes of the body, then close the connection."""
    place = urlsplit(api.url)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.api_key}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(head.encode() + content[:sent])


def start(api: Api, **body: Any) -> str:
    upload_id: str = api.made("/v1/uploads", body)["id"]
    return upload_id


def test_an_upload_that_was_cut_anywhere_resumes(api: Api) -> None:
    size = 100_000
    parts = [CONTENT[place : place + size] for place in range(0, len(CONTENT), size)]
    for sent in (0, 1, 65_536, size - 1, *random.sample(range(size), 3)):
        upload_id = start(api, name="c.bin")
        for number, content in enumerate(parts, 1):
            cut(api, f"/v1/uploads/{upload_id}/parts/{number}", "PUT", content, sent)
            arrived = api.get(f"/v1/uploads/{upload_id}")["parts"]
            assert [one["number"] for one in arrived] == list(range(1, number))
            answer = part(api, upload_id, number, content)
            assert answer.status_code == 200, answer.text
        digest = hashlib.sha256(CONTENT).hexdigest()
        done = api.made(f"/v1/uploads/{upload_id}/complete", {"sha256": digest})
        assert (done["status"], done["parts"]) == ("completed", [])
        file = api.get(f"/v1/files/{done['file_id']}")
        assert (file["size"], file["sha256"], file["name"]) == (len(CONTENT), digest, "c.bin")
        assert api.call("GET", f"/v1/files/{done['file_id']}/content").content == CONTENT
        assert api.made(f"/v1/uploads/{upload_id}/complete", {}) == done


def test_a_cut_file_leaves_nothing(api: Api) -> None:
    before = len(api.get("/v1/files?limit=1000")["data"])
    for sent in (0, 10, len(CONTENT) - 1):
        cut(api, "/v1/files", "POST", CONTENT, sent)
    eventually(lambda: not list(api.settings.home.rglob("*.tmp")))
    assert len(api.get("/v1/files?limit=1000")["data"]) == before


def test_parts_may_come_again_but_not_change(api: Api) -> None:
    upload_id = start(api)
    first = part(api, upload_id, 1, b"abc").json()
    assert first == part(api, upload_id, 1, b"abc").json()
    other = part(api, upload_id, 1, b"abd")
    assert (other.status_code, other.json()["code"]) == (409, "part_conflict")
    damaged = part(api, upload_id, 2, b"abd", f"?sha256={first['sha256']}")
    assert (damaged.status_code, damaged.json()["code"]) == (422, "wrong_sha256")
    stored = part(api, upload_id, 1, b"abc", f"?sha256={'0' * 64}")  # the bytes that are there already
    assert (stored.status_code, stored.json()["code"]) == (422, "wrong_sha256")
    part(api, upload_id, 3, b"ghi")
    missing = api.post(f"/v1/uploads/{upload_id}/complete", {})
    assert (missing.status_code, missing.json()["code"]) == (409, "parts_missing")
    assert "Parts 2 of 3" in missing.json()["detail"]
    part(api, upload_id, 2, b"def")
    done = api.made(f"/v1/uploads/{upload_id}/complete", {})
    assert api.call("GET", f"/v1/files/{done['file_id']}/content").content == b"abcdefghi"
    late = part(api, upload_id, 4, b"x")
    assert (late.status_code, late.json()["code"]) == (409, "upload_ended")


def test_a_part_that_comes_while_others_are_joined_is_not_dropped(api: Api) -> None:
    upload_id = start(api)
    part(api, upload_id, 1, b"abc")
    with api.database.transaction() as session:
        joined = uploads.parts(session, upload_id)
    part(api, upload_id, 2, b"def")  # accepted while part 1 is being read
    with pytest.raises(Conflict, match="part 2"), api.database.transaction() as session:
        uploads.require_same(session, upload_id, joined)
    done = api.made(f"/v1/uploads/{upload_id}/complete", {})
    assert api.call("GET", f"/v1/files/{done['file_id']}/content").content == b"abcdef"


def test_an_upload_may_be_cancelled_or_expire(api: Api) -> None:
    upload_id, late = start(api), start(api)
    for one in (upload_id, late):
        part(api, one, 1, b"abc")
    assert api.made(f"/v1/uploads/{upload_id}/cancel", {})["status"] == "cancelled"
    assert api.made(f"/v1/uploads/{upload_id}/cancel", {})["status"] == "cancelled"
    with api.database.transaction() as session:
        statement = text("update uploads set expires_at = now() - interval '1 s' where id = :id")
        session.execute(statement, {"id": late})
    refused = part(api, late, 2, b"x")
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_ended")
    with api.database.transaction() as session:
        paths = uploads.expire(session)
    assert len(paths) == 1
    assert api.get(f"/v1/uploads/{late}")["status"] == "expired"
    empty = start(api)
    answer = api.post(f"/v1/uploads/{empty}/complete", {})
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")


@pytest.mark.parametrize(
    ("asked", "status", "slice_"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=299990-", 206, slice(299_990, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=10-99999999", 206, slice(10, None)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=5-2", 200, slice(None)),
        ("bytes=300000-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_ranges(api: Api, asked: str, status: int, slice_: slice | None) -> None:
    file = api.call("POST", "/v1/files", content=CONTENT, headers=BINARY).json()
    answer = api.call("GET", f"/v1/files/{file['id']}/content", headers={"Range": asked})
    assert answer.status_code == status
    if slice_ is None:
        assert answer.json()["code"] == "range_not_satisfiable"
        assert answer.headers["content-range"] == "bytes */300000"
    else:
        assert answer.content == CONTENT[slice_]
        assert answer.headers["etag"] == f'"{file["sha256"]}"'


def test_a_known_file_is_not_sent_again_and_a_changed_range_is_whole(api: Api) -> None:
    file = api.call("POST", "/v1/files", content=CONTENT, headers=BINARY).json()
    path, tag = f"/v1/files/{file['id']}/content", f'"{file["sha256"]}"'
    assert api.call("GET", path, headers={"If-None-Match": tag}).status_code == 304
    ranged = {"Range": "bytes=0-1"}
    assert api.call("GET", path, headers={**ranged, "If-Range": tag}).status_code == 206
    assert api.call("GET", path, headers={**ranged, "If-Range": '"other"'}).status_code == 200


def test_deleting_a_file_takes_its_bytes_and_no_others(api: Api) -> None:
    one, other = (api.call("POST", "/v1/files", content=CONTENT, headers=BINARY).json() for _ in range(2))
    assert api.call("DELETE", f"/v1/files/{one['id']}").json()["deleted"]
    assert api.call("GET", f"/v1/files/{one['id']}").status_code == 404
    assert api.call("DELETE", f"/v1/files/{one['id']}").status_code == 404
    assert api.call("GET", f"/v1/files/{other['id']}/content").content == CONTENT


def test_a_file_that_a_job_reads_is_kept(api: Api) -> None:
    files = [api.call("POST", "/v1/files?name=m.npy", content=CONTENT, headers=BINARY).json() for _ in "ab"]
    body = {"target": [question(90)], "candidates": [question(1)], "k": 1, "features": {"kind": "provided"}}
    sides = {"target": files[0]["id"], "pool": files[1]["id"]}
    job = api.made("/v1/selections", {**body, "feature_files": sides})
    refused = api.call("DELETE", f"/v1/files/{files[0]['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "file_in_use")
    api.made(f"/v1/selections/{job['id']}/cancel", {})
    assert api.call("DELETE", f"/v1/files/{files[0]['id']}").status_code == 200


def test_a_promised_hash_is_kept(api: Api) -> None:
    answer = api.call("POST", f"/v1/files?sha256={'0' * 64}", content=b"x", headers=BINARY)
    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_sha256")


@pytest.mark.parametrize("promised", [None, hashlib.sha256(b"abcdef").hexdigest()])
def test_a_part_that_was_damaged_is_named(api: Api, promised: str | None) -> None:
    upload_id = start(api)
    for number, content in enumerate((b"abc", b"def"), 1):
        assert part(api, upload_id, number, content).status_code == 200
    with api.database.transaction() as session:
        second = uploads.parts(session, upload_id)[1].artifact
    path = Path(Artifacts(api.settings.artifacts_url).root) / second
    path.write_bytes(b"dEf")
    refused = api.call("POST", f"/v1/uploads/{upload_id}/complete", json={"sha256": promised})
    assert (refused.status_code, refused.json()["code"]) == (409, "part_damaged")
    assert "Part 2" in refused.json()["detail"]
    path.write_bytes(b"def")
    done = api.made(f"/v1/uploads/{upload_id}/complete", {"sha256": promised})
    assert api.call("GET", f"/v1/files/{done['file_id']}/content").content == b"abcdef"


def test_parts_that_are_whole_but_not_what_was_promised_are_refused(api: Api) -> None:
    upload_id = start(api)
    part(api, upload_id, 1, b"abc")
    body = {"sha256": hashlib.sha256(b"abd").hexdigest()}
    refused = api.call("POST", f"/v1/uploads/{upload_id}/complete", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_sha256")
