"""The OpenAPI document: committed as it is, with examples that work and a page that is safe to show."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from service import write_openapi
from service.app import create_app
from service.html.templates import STATIC
from service.openapi import docs
from service.openapi.codes import CODES, of_operation
from service.openapi.document import operations
from store.settings import Settings
from store.tables.states import JobStatus
from tests import tenancy
from tests.conforming import faults
from tests.live import Api
from tests.service.documented import untold
from tests.service.jobs.test_routes import move
from tests.service.test_docs import INTERNAL, codes_of_the_source

OUTSIDE = frozenset(  # before a route is found, or on pages
    (
        "url_too_long",
        "head_too_slow",
        "headers_too_large",
        "form_too_slow",
        "cross_origin",
        "wrong_form_token",
        "no_such_route",
        "method_not_allowed",
        "internal_error",
        "damaged_input",  # of jobs
    )
)


def test_the_committed_document_is_the_services_own() -> None:
    written = write_openapi.FILE.read_text()
    assert written == write_openapi.text(), "changed: run `python -m service.write_openapi` if you meant it"


def test_the_document_is_served_as_it_is_committed(api: Api) -> None:
    answer = api.call("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == json.loads(write_openapi.FILE.read_text())


def test_every_answer_of_a_route_below_v1_is_declared(api: Api) -> None:
    for path, item in httpx.get(f"{api.url}/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            statuses = set(operation["responses"])
            if path.startswith("/v1/"):
                assert {"401", "403", "429", "503"} <= statuses, (method, path)
            assert any(status.startswith("2") for status in statuses), (method, path)
            assert "500" not in statuses


def test_every_field_parameter_header_and_answer_is_described_and_no_schema_is_empty() -> None:
    found = untold(json.loads(write_openapi.FILE.read_text()))
    assert (found.undescribed, found.empty) == ([], [])
    assert found.seen > 1_000


def test_a_value_beside_a_type_is_a_list_of_one() -> None:
    """openapi-python-client refuses every number beside a `const`."""
    named = json.loads(write_openapi.FILE.read_text())["components"]["schemas"]
    value = named["SelectionSpec"]["properties"]["lambda"]["anyOf"]
    assert [one.get("enum", one["type"]) for one in value] == ["number", ["auto"]]


def test_operations_have_ids_that_read_well_and_stand_for_one_each() -> None:
    ids = [found["operationId"] for _, _, found in operations(json.loads(write_openapi.FILE.read_text()))]
    assert len(ids) == len(set(ids))
    assert {"selections.create", "pools.add_batch", "models.list", "service.readyz"} <= set(ids)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", id) for id in ids)


def test_every_code_of_a_problem_has_a_meaning_and_a_route() -> None:
    declared = {code.name for code in CODES}
    assert codes_of_the_source() - INTERNAL - OUTSIDE - declared == set()
    ids = [found["operationId"] for _, _, found in operations(json.loads(write_openapi.FILE.read_text()))]
    for code in CODES:
        own = [id for id in ids if code in of_operation(id, code.status)]
        assert own, f"{code.name} belongs to no operation"


def test_the_examples_are_what_their_schemas_ask_for() -> None:
    document = json.loads(write_openapi.FILE.read_text())
    named = document["components"]["schemas"]
    found = [(name, example) for name, schema in named.items() for example in schema.get("examples", [])]
    assert {name: faults(name, example) for name, example in found if faults(name, example)} == {}
    assert len(found) >= 12


def examples(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each path with each example of its JSON body."""
    found = []
    for path, item in document["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        schema = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
        found += [(path, example) for example in schema.get("examples", [])]
    return found


def test_the_examples_work(other: Api) -> None:
    world = tenancy.populate(other)
    selection, target = world.ids["selections.job_id"], world.ids["target_id"]
    move(other, selection, JobStatus.RUNNING, JobStatus.COMPLETED)
    tried = examples(httpx.get(f"{other.url}/openapi.json").json())
    for path, example in tried:
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        url = path.format(**{name: world.of(name, path) for name in names})
        stands_for = {"selection_id": selection, "target_id": target}
        stands_for["evaluation_target_id"] = world.ids["measured_id"]
        stands_for["pool_id"] = world.ids["pool_id"]
        own = {name: id for name, id in stands_for.items() if name in example}
        answer = other.post(url, {**example, **own})
        assert answer.is_success, (path, answer.text)
    posts = {path for path, _ in tried}
    assert {"/v1/targets", "/v1/pools/{pool_id}/batches", "/v1/selections", "/v1/trainings"} <= posts
    assert len(posts) >= 9


def test_a_refused_method_names_all_that_are_allowed(api: Api) -> None:
    for path, methods in (
        ("/v1/pools", "GET, HEAD, POST"),
        ("/livez", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ):
        for refused in ("TRACE", "PATCH"):
            answer = api.call(refused, path)
            assert answer.status_code == 405
            assert answer.headers["allow"] == methods


@pytest.mark.parametrize("shown", [True, False])
def test_the_page_is_shown_where_the_operator_wants_it(api: Api, shown: bool) -> None:
    app = create_app(api.settings.model_copy(update={"show_docs": shown}))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            return await client.get("/docs")

    assert asyncio.run(get()).status_code == (200 if shown else 404)
    assert not api.settings.show_docs  # off unless asked for; embedded mode asks


def test_the_page_asks_nobody_else_and_runs_nothing_that_was_not_written_here() -> None:
    policy = docs.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert "unsafe-eval" not in policy
    assert re.findall(r"https?://", docs.PAGE) == []
    script = (STATIC / "redoc.standalone.js").read_text()
    assert len(script) > 500_000
    assert "cdn." not in script
    assert "MIT" in (STATIC / "redoc.LICENSE").read_text()


def test_a_parameter_that_a_route_does_not_know_is_refused(api: Api) -> None:
    for path in ("/v1/pools?limt=5", "/v1/selections?state=failed", "/v1/pools?extra.source=web"):
        answer = api.call("GET", path)
        name = path.partition("?")[2].partition("=")[0]
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path
        assert answer.json()["errors"][0]["pointer"] == f"?{name}"
        assert "limit" in answer.json()["detail"]
    assert api.call("GET", "/livez?probe=1").status_code == 200  # below /v1 alone


def test_pages_of_other_origins_may_call_where_the_operator_says_so(api: Api) -> None:
    page = "https://app.example.com"
    asking = {"Origin": page, "Access-Control-Request-Method": "POST"}
    asking["Access-Control-Request-Headers"] = "authorization,idempotency-key"

    async def asked(origins: str) -> httpx.Response:
        app = create_app(api.settings.model_copy(update={"cors_origins": origins}))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            return await client.options("/v1/selections", headers=asking)

    allowed = asyncio.run(asked(f"https://other.example.com, {page}"))
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, page)
    assert "access-control-allow-origin" not in asyncio.run(asked("")).headers
    assert "access-control-allow-origin" not in asyncio.run(asked("https://other.example.com")).headers
    with pytest.raises(ValidationError, match="no origin"):
        Settings(cors_origins="app.example.com/page")


def test_a_list_has_an_order_a_beginning_and_what_users_annotated(other: Api) -> None:
    made = [other.made("/v1/pools", {"name": f"p{n}", "metadata": {"team": "ab"[n % 2]}}) for n in range(5)]

    def ids(query: str) -> list[str]:
        answer = other.call("GET", f"/v1/pools?{query}")
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["data"]]

    own = [pool["id"] for pool in made]
    assert ids("order=asc&limit=2") == own[:2]
    assert ids(f"order=asc&after={own[1]}") == own[2:]
    assert ids(f"after={own[2]}") == [own[1], own[0]]
    assert ids(f"created_after={made[2]['created_at']}&order=asc") == own[3:]
    assert ids("metadata[team]=b&order=asc") == [own[1], own[3]]
    assert ids("metadata[team]=b&metadata[other]=x") == []
    refused = (
        "order=up",
        "created_after=2026-01-01T00:00:00",
        "created_after=soon",
        "metadata[team]=a&metadata[team]=b",
    )
    for query in (*refused, "metadata[]=x"):
        assert other.call("GET", f"/v1/pools?{query}").status_code == 422, query
    assert other.call("GET", "/v1/files?metadata[team]=b").status_code == 422  # files have none
    assert other.call("GET", "/v1/selections?metadata[team]=b").json()["data"] == []
