"""Keys over real HTTP: scopes, the secret that is shown once, rotation, revocation, the audit log."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.http.access import TABLE
from tests.live import Api, question

TIME_TO_END = 1.0  # seconds after which a revoked key must not work any more


def make_key(api: Api, *scopes: str) -> dict[str, Any]:
    return api.made("/v1/api_keys", {"name": "program", "scopes": list(scopes)})


def status(api: Api, key: dict[str, Any], method: str, path: str, **options: Any) -> int:
    headers = {"Authorization": f"Bearer {key['secret']}", **options.pop("headers", {})}
    return httpx.request(method, f"{api.url}{path}", headers=headers, **options).status_code


def test_a_secret_is_shown_once_and_kept_nowhere(api: Api) -> None:
    key = make_key(api, "select:read")
    assert key["secret"].startswith("evs_")
    assert key["secret"].endswith(key["hint"])
    shown = api.get(f"/v1/api_keys/{key['id']}")
    assert shown == {name: value for name, value in key.items() if name != "secret"}
    assert shown in api.get("/v1/api_keys")["data"]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("select:read", {"read"}),
        ("select:write", {"read", "write"}),
        ("train", {"read", "train"}),
        ("admin", {"read", "write", "train", "admin"}),
    ],
)
def test_a_scope_allows_what_it_says_and_nothing_else(api: Api, scope: str, allowed: set[str]) -> None:
    key = make_key(api, scope)
    tried = {
        "read": status(api, key, "GET", "/v1/pools"),
        "write": status(api, key, "POST", "/v1/pools", json={}),
        "train": status(api, key, "POST", "/v1/trainings", json={}),
        "admin": status(api, key, "GET", "/v1/api_keys"),
    }
    assert {name for name, code in tried.items() if code != 403} == allowed


def test_a_refusal_names_the_scope_and_comes_before_the_body(api: Api) -> None:
    key = make_key(api, "select:read")
    headers = {"Authorization": f"Bearer {key['secret']}", "Content-Type": "application/json"}
    answer = httpx.post(f"{api.url}/v1/pools", headers=headers, content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert "select:write" in answer.json()["detail"]
    assert 'scope="select:write"' in answer.headers["www-authenticate"]


def test_a_revoked_key_stops_within_a_second(api: Api) -> None:
    key = make_key(api, "select:read")
    assert status(api, key, "GET", "/v1/pools") == 200
    revoked = api.call("DELETE", f"/v1/api_keys/{key['id']}")
    assert revoked.json()["revoked_at"]
    time.sleep(TIME_TO_END)
    assert status(api, key, "GET", "/v1/pools") == 401
    assert api.call("DELETE", f"/v1/api_keys/{key['id']}").json() == revoked.json()


def test_rotation_overlaps_and_ends(api: Api) -> None:
    old = make_key(api, "select:read", "train")
    new = api.made(f"/v1/api_keys/{old['id']}/rotate", {"overlap_seconds": 1})
    assert (new["scopes"], new["name"]) == (old["scopes"], old["name"])
    assert status(api, old, "GET", "/v1/pools") == status(api, new, "GET", "/v1/pools") == 200
    time.sleep(1 + TIME_TO_END)
    assert (status(api, old, "GET", "/v1/pools"), status(api, new, "GET", "/v1/pools")) == (401, 200)
    again = api.post(f"/v1/api_keys/{old['id']}/rotate", {})
    assert (again.status_code, again.json()["code"]) == (409, "api_key_ended")


def test_the_last_admin_key_stays(other: Api) -> None:
    first = other.get("/v1/api_keys")["data"][0]["id"]
    refused = other.call("DELETE", f"/v1/api_keys/{first}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin_key")
    make_key(other, "admin")
    assert other.call("DELETE", f"/v1/api_keys/{first}").status_code == 200


def test_a_repeated_request_makes_one_key_and_hides_its_secret(api: Api) -> None:
    body, headers = {"name": "once", "scopes": ["train"]}, {"Idempotency-Key": "one-key"}
    first = api.call("POST", "/v1/api_keys", json=body, headers=headers).json()
    again = api.call("POST", "/v1/api_keys", json=body, headers=headers).json()
    assert again == {**first, "secret": None}


@pytest.mark.parametrize("scopes", [[], ["root"], ["admin"] * 5])
def test_bad_scopes_are_refused(api: Api, scopes: list[str]) -> None:
    assert api.post("/v1/api_keys", {"name": "x", "scopes": scopes}).status_code == 422


def test_every_change_is_in_the_audit_log(api: Api) -> None:
    key = make_key(api, "select:read")
    made = api.post("/v1/targets", {"records": [question(1)]})
    assert status(api, key, "POST", "/v1/pools", json={}) == 403
    assert api.post("/v1/targets", {"records": []}).status_code == 422
    refused, stored, created = api.get("/v1/audit_events?limit=3")["data"]
    assert (refused["key_id"], refused["status"], refused["path"]) == (key["id"], 403, "/v1/pools")
    assert (stored["method"], stored["path"], stored["status"]) == ("POST", "/v1/targets", 201)
    assert stored["request_id"] == made.headers["x-request-id"]
    assert created["path"] == "/v1/api_keys"


def test_every_noun_has_its_scopes(api: Api) -> None:
    paths = httpx.get(f"{api.url}/openapi.json").json()["paths"]
    nouns = {path.split("/")[2] for path in paths if path.startswith("/v1/")}
    assert nouns <= TABLE.keys()


def test_a_stream_ends_with_its_key(other: Api) -> None:
    key = make_key(other, "select:read")
    job = other.made("/v1/selections", {"target": [question(9)], "candidates": [question(1)], "k": 1})["id"]
    headers = {"Authorization": f"Bearer {key['secret']}", "Accept": "text/event-stream"}
    with httpx.stream("GET", f"{other.url}/v1/selections/{job}/events", headers=headers) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: job.queued"
        assert other.call("DELETE", f"/v1/api_keys/{key['id']}").is_success
        time.sleep(TIME_TO_END + 0.1)
        other.made(f"/v1/selections/{job}/cancel", {})
        assert not any("cancel" in line for line in lines)  # and the stream has ended well


def test_an_upload_ends_with_its_key(other: Api) -> None:
    key = make_key(other, "select:write")

    def body() -> Iterator[bytes]:
        yield b"first half"
        assert other.call("DELETE", f"/v1/api_keys/{key['id']}").is_success
        time.sleep(TIME_TO_END + 0.1)
        yield b"second half"

    binary = {"Content-Type": "application/octet-stream"}
    assert status(other, key, "POST", "/v1/files", headers=binary, content=body()) == 401
    assert other.get("/v1/files")["data"] == []
