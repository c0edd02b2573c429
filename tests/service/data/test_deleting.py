"""What can be deleted, what needs it meanwhile, and that nothing else goes with it."""

from typing import Any

import pytest

from evoselect.spec.training import EvaluationSpec
from service.services import open_state
from store.artifacts import Artifacts
from store.errors import NotFound
from store.jobs import submissions
from store.jobs.requests import EvaluationWork
from store.jobs.submissions import Label
from store.kit.ids import new_id
from store.upkeep import retention
from tests.live import Api, another_tenant, question
from tests.service.jobs.test_results import selection
from tests.service.test_routes import complete
from tests.service.test_trained import trained


def data(api: Api) -> tuple[str, str]:
    """A target and a pool with records."""
    body = {"records": [question(1)], "name": new_id("own")}  # the same one under this name is nobody else's
    target = api.made("/v1/targets", body)["id"]
    pool = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(n) for n in range(5)]})
    return target, pool


def deleted(api: Api, path: str) -> Any:
    answer = api.call("DELETE", path)
    assert answer.status_code == 200, answer.text
    assert api.call("GET", path).status_code == 404
    assert api.call("DELETE", path).status_code == 404
    return answer.json()


def refused(api: Api, path: str, code: str) -> str:
    answer = api.call("DELETE", path)
    assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
    assert api.call("GET", path).status_code == 200
    detail: str = answer.json()["detail"]
    return detail


def test_pools_and_targets_go_with_their_files(api: Api) -> None:
    api = another_tenant(api)
    target, pool = data(api)
    other = another_tenant(api)
    assert other.call("DELETE", f"/v1/pools/{pool}").status_code == 404
    assert deleted(api, f"/v1/pools/{pool}") == {"id": pool, "object": "pool", "deleted": True}
    assert deleted(api, f"/v1/targets/{target}")["object"] == "target"
    orphans = retention.orphans(api.database, Artifacts(api.settings.artifacts_url), age_seconds=-60.0)
    gone = [path for path in orphans if path.startswith(f"{api.tenant_id}/")]
    assert {path.split("/")[1] for path in gone} == {"pools", "targets", "pool_keys"}


def test_an_id_of_another_noun_deletes_nothing(api: Api) -> None:
    target, pool = data(api)
    assert api.call("DELETE", f"/v1/pools/{target}").status_code == 404
    assert api.call("DELETE", f"/v1/targets/{pool}").status_code == 404
    assert api.call("GET", f"/v1/targets/{target}").status_code == 200


def test_what_an_open_job_needs_stays_until_it_has_ended(api: Api) -> None:
    target, pool = data(api)
    job = api.made("/v1/selections", {"target_id": target, "pool_id": pool, "k": 1})
    assert f"selection {job['id']} needs pool {pool}" in refused(api, f"/v1/pools/{pool}", "pool_in_use")
    refused(api, f"/v1/targets/{target}", "target_in_use")
    refused(api, f"/v1/selections/{job['id']}", "not_ended")
    complete(api, job["id"], [])
    deleted(api, f"/v1/pools/{pool}")
    assert api.get(f"/v1/selections/{job['id']}")["status"] == "completed"
    deleted(api, f"/v1/selections/{job['id']}")


def test_a_selection_that_a_training_reads_stays(api: Api) -> None:
    job = selection(api, [1, 2])
    training = api.made("/v1/trainings", {"selection_id": job["id"]})
    assert training["id"] in refused(api, f"/v1/selections/{job['id']}", "selection_in_use")
    api.made(f"/v1/trainings/{training['id']}/cancel", {})
    deleted(api, f"/v1/trainings/{training['id']}")
    deleted(api, f"/v1/selections/{job['id']}")


def test_a_model_goes_before_its_training(api: Api) -> None:
    model = trained(api, ["a", "b"])
    training = api.get(f"/v1/models/{model}")["training_id"]
    api.made(f"/v1/trainings/{training}/cancel", {})
    assert "the model that it made" in refused(api, f"/v1/trainings/{training}", "training_in_use")
    child = trained(api, ["c"], parent=model)
    assert child in refused(api, f"/v1/models/{model}", "model_in_use")
    deleted(api, f"/v1/models/{child}")
    deleted(api, f"/v1/models/{model}")
    deleted(api, f"/v1/trainings/{training}")
    assert api.call("DELETE", f"/v1/models/{api.settings.default_model}").status_code == 404


def test_what_was_deleted_cannot_be_asked_for(api: Api) -> None:
    target, pool = data(api)
    job = api.made("/v1/selections", {"target_id": target, "pool_id": pool, "k": 1})
    api.made(f"/v1/selections/{job['id']}/cancel", {})
    deleted(api, f"/v1/targets/{target}")
    again = api.call("POST", f"/v1/selections/{job['id']}/retry")
    assert (again.status_code, again.json()["code"]) == (404, "not_found"), again.text
    asked = EvaluationWork(model="m", spec=EvaluationSpec(), target_id=target)
    with open_state(api.settings).database.transaction() as session, pytest.raises(NotFound):
        submissions.evaluation(session, api.tenant_id, asked, Label())
