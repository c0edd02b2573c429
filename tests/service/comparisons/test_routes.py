"""Comparisons over HTTP: what is refused, what is foretold, and the table while it runs and after."""

from typing import Any

import httpx
import pytest

from tests.live import Api, Json, another_tenant, question
from tests.service.comparing import CHOICES, commit, started, uploaded, work
from tests.service.test_pages import cookie


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    """A tenant of this file's own."""
    return another_tenant(api)


@pytest.fixture(scope="module")
def data(tenant: Api) -> Json:
    """What the refused requests name."""
    return uploaded(tenant)


def test_the_table_grows_until_the_verdict(tenant: Api) -> None:
    comparison = started(tenant, seeds=2, name="mine")
    claim = work(tenant, until="judge")
    assert claim is not None
    assert tenant.get(f"/v1/comparisons/{comparison}")["result"] is None
    commit(tenant, claim)
    so_far = tenant.get(f"/v1/comparisons/{comparison}")
    assert so_far["status"] == "running"
    verdict = so_far["result"]["verdict"]
    assert (verdict["kind"], verdict["interim"], verdict["further_trainings"]) == ("not_enough", True, None)
    assert verdict["sentence"] == "no verdict yet, 2 of 5 trainings are measured"
    early = tenant.call("GET", f"/v1/comparisons/{comparison}/report", headers={"Accept": "text/html"}).text
    assert "Verdict so far</h2>" in early
    assert "for looking after each of them" in early
    work(tenant)
    done = tenant.get(f"/v1/comparisons/{comparison}")
    result = done["result"]
    assert (done["status"], result["stop_reason"]) == ("completed", "trained")
    assert (result["evaluations"], result["questions"], result["unit"]) == (5, 40, "points")
    verdict = result["verdict"]
    assert (verdict["kind"], verdict["arm"], verdict["interim"]) == ("use", "capacity", False)
    first, last = result["arms"]
    assert (first["name"], last["name"]) == ("capacity", "random")
    low, high = first["against_random"]["interval"]
    assert 0 < low < first["against_random"]["gain"] < high
    assert (first["against_leader"], last["against_random"], last["trainings"]) == (None, None, 3)
    assert tenant.get(f"/v1/selections/{first['selection_ids'][0]}")["metadata"]["arm"] == "capacity"
    assert len(first["training_ids"]) == len(first["model_ids"]) == len(first["evaluation_ids"]) == 2
    report = tenant.get(f"/v1/comparisons/{comparison}/report")
    assert report["result"] == result
    assert len(report["steps"]) == 4 + 5 + 5
    page = tenant.call("GET", f"/v1/comparisons/{comparison}/report", headers={"Accept": "text/html"}).text
    assert "Use capacity (gain" in page
    assert "so far" not in page
    kept = {"Cookie": cookie(tenant)}
    for path in ("", "/live", "/report"):
        shown = httpx.get(f"{tenant.url}/ui/comparisons/{comparison}{path}", headers=kept)
        assert (shown.status_code, "Use capacity (gain" in shown.text) == (200, True), path
    training = httpx.get(f"{tenant.url}/ui/trainings/{first['training_ids'][0]}", headers=kept).text
    assert f"/ui/comparisons/{comparison}" in training
    assert (
        "random: train 1 begun" in httpx.get(f"{tenant.url}/ui/comparisons/{comparison}", headers=kept).text
    )
    assert "5 of 5 trainings" in httpx.get(f"{tenant.url}/ui/comparisons", headers=kept).text
    assert tenant.call("DELETE", f"/v1/trainings/{first['training_ids'][0]}").status_code == 409
    assert tenant.call("DELETE", f"/v1/comparisons/{comparison}").status_code == 200


def test_arms_that_are_worse_beyond_doubt_stop_and_the_same_rows_are_trained_on_once(tenant: Api) -> None:
    arms = ["random", "capacity", "less", "mean_cosine"]
    comparison = started(tenant, arms=arms, seeds=3, successive_halving=True)
    work(tenant, picked={"less": "x", "mean_cosine": "x"})
    result = tenant.get(f"/v1/comparisons/{comparison}")["result"]
    by_name = {arm["name"]: arm for arm in result["arms"]}
    assert by_name["mean_cosine"]["same_as"] == "less"
    assert by_name["mean_cosine"]["mean"] == by_name["less"]["mean"]
    assert by_name["mean_cosine"]["training_ids"] == []
    assert (by_name["less"]["stopped"], result["out"]) == (True, ["less"])
    assert len(by_name["less"]["training_ids"]) < 3
    assert result["verdict"]["arm"] == "capacity"


def test_pause_resume_cancel_and_retry(tenant: Api) -> None:
    comparison = started(tenant)
    path = f"/v1/comparisons/{comparison}"
    claim = work(tenant, until="train")
    assert claim is not None
    assert tenant.made(f"{path}/pause", {})["status"] == "paused"
    kept = {"Cookie": cookie(tenant)}
    assert (
        "Paused: steps that run" in httpx.get(f"{tenant.url}/ui/comparisons/{comparison}", headers=kept).text
    )
    assert tenant.made(f"{path}/resume", {})["status"] == "running"
    tenant.made(f"{path}/cancel", {})
    commit(tenant, claim)
    again = tenant.made(f"{path}/retry", {})
    assert again["request"] == tenant.get(path)["request"]
    refused = tenant.post(f"{path}/resume", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "job_ended")
    tenant.made(f"/v1/comparisons/{again['id']}/cancel", {})
    assert {job["id"] for job in tenant.get("/v1/comparisons")["data"]} >= {comparison, again["id"]}


def test_what_it_costs_and_can_see_is_said_beforehand(tenant: Api, data: Json) -> None:
    def stored() -> list[str]:
        return [
            job["id"] for noun in ("comparisons", "selections") for job in tenant.get(f"/v1/{noun}")["data"]
        ]

    before = stored()
    answer = tenant.post("/v1/comparisons?validate_only=true", {**data, "k": 4})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [(arm["name"], arm["trainings"]) for arm in found["arms"]] == [
        ("random", 3),
        ("random_tokens", 2),
        ("mean_hidden", 2),
        ("round_robin", 2),
        ("capacity", 2),
    ]
    assert (found["trainings"], found["measure"], found["questions"]) == (11, "accuracy", 40)
    assert (found["workers"], found["minutes"] > 0) == (1, True)  # as the tests' settings say
    assert sum(found["seconds"].values()) == pytest.approx(60 * found["minutes"], abs=4)
    assert 0 < found["detectable_gain"] < 1
    more = tenant.post("/v1/comparisons?validate_only=true", {**data, "k": 4, "seeds": 8, "draws": 8}).json()
    assert more["detectable_gain"] < found["detectable_gain"]
    assert stored() == before


def test_the_formula_counts_what_a_model_reads(api: Api) -> None:
    """Every question's choices, though its file has those that all share once; states without gradients."""
    new = another_tenant(api)  # of whom nothing was measured
    data = uploaded(new)

    def seconds(arm: str = "capacity", **more: Any) -> Json:
        body = {**data, "k": 4, "arms": ["random", arm], **more}
        found: Json = new.made("/v1/comparisons?validate_only=true", body)["seconds"]
        return found

    choices = {**CHOICES, "choices": ["a", *(f"{number:040}" for number in range(20))]}
    wide = [question(2000 + number) | choices for number in range(40)]
    target = new.made("/v1/targets", {"records": wide})["id"]
    tokens = 40 * 20 * 40 / 4
    more = seconds(evaluation_target_id=target)["evaluate"] - seconds()["evaluate"]
    assert more == pytest.approx(5 * tokens * 2 * 135e6 / 5e10, rel=0.1)
    assert seconds("mean_hidden")["features"] < seconds()["features"] / 2


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer", "said"),
    [
        ({"arms": ["random"]}, 422, "invalid_request", None, "needs two arms or more"),
        ({"arms": ["random", "best"]}, 422, "invalid_request", "/arms/1", "is no method: there are all"),
        ({"k": None}, 422, "invalid_request", None, "send exactly one of them"),
        ({"k": 13}, 422, "k_exceeds_pool", "/k", "the pool holds 12"),
        ({"trainings": 3}, 422, "budget_too_small", "/trainings", "2 arms need 4 trainings"),
        ({"minutes": 0.01}, 422, "budget_too_small", "/minutes", "min of one worker"),
        (
            {"measure": "exact_match", "evaluation": {"generate": True}},
            422,
            "too_few_measured",
            "/measure",
            "0 of",
        ),
        ({"base_model": "nobody"}, 422, "unknown_model", "/base_model", "There is no model"),
        ({"proxy": "nobody"}, 422, "unknown_model", "/proxy", "There is no model"),
        ({"pool_version": 9}, 422, "invalid_value", "/pool_version", "has versions 0 to 1"),
        ({"training": {"max_steps": 10**6}}, 422, "too_many_steps", "/training/max_steps", "1000000 steps"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tenant: Api, data: Json, body: Json, status: int, code: str, pointer: str | None, said: str
) -> None:
    asked = {**data, "k": 4, "arms": ["random", "capacity"], **body}
    for query in ("", "?validate_only=true"):
        answer = tenant.post(
            f"/v1/comparisons{query}", {name: value for name, value in asked.items() if value}
        )
        found: Any = answer.json()
        assert (answer.status_code, found["code"]) == (status, code), found
        assert said in str(found)
        assert pointer is None or found["errors"][0]["pointer"] == pointer


def test_examples_of_the_target_measure_nothing(tenant: Api, data: Json) -> None:
    some = [question(number) | CHOICES for number in (3000, 3001, 3002)]
    goal = tenant.made("/v1/targets", {"records": some[:2]})["id"]
    same = tenant.made("/v1/targets", {"records": some[1:]})["id"]  # one example in both
    for target, measured, shared in ((goal, goal, "2 of the 2"), (goal, same, "1 of the 2")):
        body = {**data, "target_id": target, "evaluation_target_id": measured, "k": 4}
        for query in ("", "?validate_only=true"):
            answer = tenant.post(f"/v1/comparisons{query}", body)
            found: Any = answer.json()
            assert (answer.status_code, found["code"]) == (422, "measured_on_target"), found
            assert shared in str(found)


def test_examples_to_measure_on_are_needed(tenant: Api, data: Json) -> None:
    named = {name: value for name, value in data.items() if name != "evaluation_target_id"}
    answer = tenant.post("/v1/comparisons", {**named, "k": 4})
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_held_out")
    one = tenant.made("/v1/targets", {"records": [question(7) | CHOICES]})["id"]
    answer = tenant.post("/v1/comparisons", {**data, "evaluation_target_id": one, "k": 4})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_measured")
    split = {"records": [question(number) for number in range(8)], "held_out": {"ratio": 0.5}}
    held = tenant.made("/v1/targets", split)
    named["target_id"] = held["id"]
    made = tenant.made("/v1/comparisons", {**named, "k": 4})
    assert made["request"]["evaluation_target_id"] == held["held_out_target_id"]
    assert made["request"]["measure"] == "answer_nll"
    tenant.made(f"/v1/comparisons/{made['id']}/cancel", {})
