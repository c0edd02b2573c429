"""The OpenAPI document: committed as it is, with examples that work and a page that is safe to show."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from service import write_openapi
from service.app import create_app
from service.openapi import docs
from store.tables.states import JobStatus
from tests import tenancy
from tests.live import Api
from tests.service.jobs.test_routes import move


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
        stands_for = {"selection_id": selection, "target_id": target, "evaluation_target_id": target}
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
    assert not api.settings.show_docs  # off unless asked for


def test_the_page_escapes_all_text_and_loads_nothing(api: Api) -> None:
    document = json.loads(write_openapi.FILE.read_text())
    document["info"]["description"] = "<script>alert(1)</script>"
    page = docs.render(document)
    assert "<script" not in page
    assert "POST /v1/selections" in page
    assert "src=" not in page
    assert "default-src &#x27;none&#x27;" not in docs.HEADERS["Content-Security-Policy"]
    assert docs.HEADERS["Content-Security-Policy"].startswith("default-src 'none'")
