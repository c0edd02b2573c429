"""PATCH of name and metadata: the same for every noun that has them."""

from typing import Any

import pytest

from tests import tenancy
from tests.live import Api, Json

PLACES = (
    ("targets", "target_id"),
    ("pools", "pool_id"),
    ("models", "models.name"),
    ("selections", "selections.job_id"),
    ("trainings", "trainings.job_id"),
    ("evaluations", "evaluations.job_id"),
    ("loops", "loops.job_id"),
    ("comparisons", "comparisons.job_id"),
)


@pytest.fixture(scope="module")
def paths(api: Api) -> list[str]:
    ids = tenancy.populate(api).ids
    return [f"/v1/{noun}/{ids[name]}" for noun, name in PLACES]


def patched(api: Api, path: str, body: object, **headers: str) -> tuple[int, Json]:
    answer = api.call("PATCH", path, json=body, headers=headers)
    return answer.status_code, answer.json()


def test_what_is_said_is_changed_and_the_rest_stays(api: Api, paths: list[str]) -> None:
    for path in paths:
        status, named = patched(api, path, {"name": "night", "metadata": {"team": "a", "run": "1"}})
        assert (status, named["name"], named["metadata"]) == (200, "night", {"team": "a", "run": "1"}), path
        assert patched(api, path, {"metadata": {"team": "b"}})[1]["name"] == "night"
        assert patched(api, path, {"name": None})[1]["metadata"] == {"team": "b"}
        kept = api.get(path)
        assert (kept["name"], kept["metadata"]) == (None, {"team": "b"}), path
        noun = path.split("/")[2]
        found = api.get(f"/v1/{noun}?metadata[team]=b")["data"]
        assert kept["id"] in {row["id"] for row in found}, path


def test_what_cannot_be_is_refused_and_changes_nothing(api: Api, paths: list[str]) -> None:
    for path in paths:
        before = api.get(path)
        refused: list[tuple[Any, str]] = [
            ({}, "name, metadata or both"),
            ({"name": ""}, "/name"),
            ({"name": "x" * 257}, "/name"),
            ({"name": "a\u0000b"}, "/name"),
            ({"metadata": None}, "/metadata"),
            ({"metadata": {f"k{n}": "v" for n in range(17)}}, "/metadata"),
            ({"metadata": {"k": 3}}, "/metadata"),
            ({"k": 3}, "/k"),
        ]
        for body, said in refused:
            status, problem = patched(api, path, body)
            assert (status, problem["code"]) == (422, "invalid_request"), body
            assert said in problem["detail"], body
        assert api.get(path) == before


def test_a_key_changes_once(api: Api, paths: list[str]) -> None:
    path = paths[1]
    key = {"Idempotency-Key": "rename-1"}
    first = api.call("PATCH", path, json={"name": "one"}, headers=key)
    api.call("PATCH", path, json={"name": "two"})
    again = api.call("PATCH", path, json={"name": "one"}, headers=key)
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert again.json()["name"] == "two"  # the first one was carried out, and what came later stands
    other = {"name": "one", "metadata": {}}  # says more than leaving metadata out does
    assert patched(api, path, other, **key)[1]["code"] == "idempotency_mismatch"


def test_a_model_of_the_operators_is_not_renamed(api: Api) -> None:
    status, problem = patched(api, f"/v1/models/{api.settings.default_model}", {"name": "mine"})
    assert (status, problem["code"]) == (404, "not_found")


def test_a_key_that_only_reads_does_not_rename(api: Api, paths: list[str]) -> None:
    reader = api.made("/v1/api_keys", {"name": "reader", "scopes": ["select:read"]})["secret"]
    answer = api.call("PATCH", paths[0], json={"name": "x"}, headers={"Authorization": f"Bearer {reader}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
