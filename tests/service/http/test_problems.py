"""Every refusal is a problem document with a stable code and a request id, and gives nothing away."""

import subprocess
import sys

import httpx
import pytest
from sqlalchemy import update

from store.accounts import tenants
from store.tables.data import Batch
from tests.live import Api, question

PLAIN = {"Content-Type": "text/plain"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    assert problem["type"].endswith(code)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/nowhere", "/v1/targets/tgt_1/more", "/v2/targets"])
def test_unknown_routes(api: Api, path: str) -> None:
    assert_problem(api.call("GET", path), 404, "no_such_route")


def test_a_wrong_method_says_which_are_right(api: Api) -> None:
    answer = api.call("DELETE", "/v1/targets")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/targets/tgt_00000000000000000000000000",
        "/v1/targets/%00",
        "/v1/pools/..%2f..",
        "/v1/selections/sel_00000000000000000000000000",
        "/v1/selections/sel_00000000000000000000000000/items",
        "/v1/selections/nonsense/events",
        "/v1/trainings/tgt_00000000000000000000000000",
        "/v1/evaluations/x",
        "/v1/models/nobody",
    ],
)
def test_unknown_ids(api: Api, path: str) -> None:
    answer = api.call("GET", path)
    assert answer.json()["code"] in ("not_found", "no_such_route")
    assert answer.status_code == 404
    assert_problem(answer, 404, answer.json()["code"])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_api_key"),
        ({"Authorization": "Basic abc"}, "no_api_key"),
        ({"Authorization": "Bearer"}, "no_api_key"),
        ({"Authorization": "Bearer evs_wrong"}, "wrong_api_key"),
        ({"Authorization": "Bearer evs_" + "0" * 38}, "wrong_api_key"),
    ],
)
def test_no_key_and_wrong_keys(api: Api, headers: dict[str, str], code: str) -> None:
    answer = httpx.get(f"{api.url}/v1/targets", headers=headers)
    assert_problem(answer, 401, code)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_key_is_asked_for_before_the_route_and_the_body(api: Api) -> None:
    assert httpx.get(f"{api.url}/v1/nowhere").status_code == 401
    assert httpx.post(f"{api.url}/v1/targets", content=b"{" * 100).status_code == 401


def test_another_tenants_resource_looks_missing(api: Api) -> None:
    target_id = api.made("/v1/targets", {"records": [question(1)]})["id"]
    secret = tenants.generate_key()
    with api.database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
        tenants.add_key(
            session, other, name="other", secret=secret, pepper=api.settings.key_pepper.get_secret_value()
        )
    headers = {"Authorization": f"Bearer {secret}"}
    foreign = httpx.get(f"{api.url}/v1/targets/{target_id}", headers=headers)
    assert_problem(foreign, 404, "not_found")
    assert httpx.get(f"{api.url}/v1/targets", headers=headers).json()["data"] == []


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/targets?limit=0", "?limit"),
        ("/v1/targets?after=x", "?after"),
        ("/v1/selections?status=asleep", "?status"),
        ("/v1/selections/sel_00000000000000000000000000?wait=1000", "?wait"),
    ],
)
def test_bad_parameters_are_pointed_at(api: Api, path: str, pointer: str) -> None:
    answer = api.call("GET", path)
    assert_problem(answer, 422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("value", [b'"\\ud800"', b"NaN", b"[" * 5000, b"1" * 5000, b'{"\\ud800": 1}'])
def test_json_that_only_some_decoders_take_is_no_failure(api: Api, value: bytes) -> None:
    for field in (b"records", b"name", b"unknown"):
        content = b'{"' + field + b'": ' + value + b"}"
        answer = api.call(
            "POST", "/v1/targets", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422)
        assert_problem(answer, answer.status_code, answer.json()["code"])


def test_a_failure_of_our_own_gives_nothing_away(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Here: a row that no code of ours writes."""
    pool_id = api.made("/v1/pools", {})["id"]
    batch = api.made(f"/v1/pools/{pool_id}/batches", {"records": [question(1)]})
    with api.database.transaction() as session:
        session.execute(update(Batch).where(Batch.id == batch["id"]).values(errors=["broken"]))
    answer = api.call("GET", f"/v1/pools/{pool_id}/batches")
    assert_problem(answer, 500, "internal_error")
    assert "broken" not in answer.text
    assert "AttributeError" not in answer.text
    trace = next(record for record in caplog.records if record.exc_info)
    assert answer.json()["request_id"] in trace.getMessage()


def test_importing_the_service_loads_no_model_library() -> None:
    program = (
        "import service.app, sys\n"
        "found = {'torch', 'faiss', 'transformers', 'ot', 'celery'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {found}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
