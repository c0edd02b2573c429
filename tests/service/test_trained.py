"""What trainings and evaluations leave behind: weights, lineage, comparisons; what trainings learn from."""

from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from evoselect_client import Client
from store.artifacts import Artifacts
from store.jobs import claims, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Offer
from store.models import adapters
from store.tables.loops import LoopStep
from store.tables.states import JobKind
from tests.live import Api, Json, lines, question, serve
from workers.evaluations.named_tasks import SCHEMA as TASK_SCORES
from workers.evaluations.records import SCHEMA as SCORES
from workers.trainings.data import LINEAGE_SCHEMA


def trained(api: Api, ids: list[str], parent: str | None = None, loop: str | None = None) -> str:
    """An adapter whose training learnt the records of those ids."""
    artifacts = Artifacts(api.settings.artifacts_url)
    rows = [{"id": id, "content_hash": f"hash of {id}", "repeats": 1} for id in ids]
    stored = artifacts.put_table("t/lineage", pa.Table.from_pylist(rows, schema=LINEAGE_SCHEMA))
    weights = artifacts.put_bytes("t/models", b"weights of " + ids[0].encode(), ".safetensors")
    file = weights.reference(size=weights.size)
    model_id = adapters.fresh_id()
    with api.database.transaction() as session:
        shard = plans.single_shard("train", 1)
        job = jobs.create(session, tenant_id=api.tenant_id, kind=JobKind.TRAINING, request={}, plans=shard)
        lineage = {
            "parent_model_id": parent,
            "selection_id": f"selection of {ids[0]}",
            "records": len(ids),
            "artifacts": {"records": {"path": stored.path, "sha256": stored.sha256}},
        }
        adapters.create(
            session,
            model_id=model_id,
            tenant_id=api.tenant_id,
            training_id=job.id,
            base_model="base",
            files={"adapter_model.safetensors": file},
            lineage=lineage,
        )
        if loop:
            session.add(LoopStep(loop_id=loop, round=2, step="train", job_id=job.id))
    return model_id


def test_one_call_leads_from_a_model_back_to_every_record(api: Api) -> None:
    target = api.made("/v1/targets", {"records": [question(1)]})["id"]
    body = {"target_id": target, "evaluation_target_id": target, "generator": {"kind": "push"}, "k": 1}
    loop = api.made("/v1/loops", body)["id"]
    first = trained(api, ["a", "b", "c"])
    second = trained(api, ["d", "e"], parent=first, loop=loop)
    found = api.get(f"/v1/models/{second}/lineage")
    assert [(row["model_id"], row["id"]) for row in found["records"]] == [
        (first, "a"), (first, "b"), (first, "c"), (second, "d"), (second, "e"),
    ]  # fmt: skip
    assert (found["base_model"], found["records_total"], found["has_more"]) == ("base", 5, False)
    assert [step["selection_id"] for step in found["trainings"]] == ["selection of a", "selection of d"]
    assert [step["loop"] for step in found["trainings"]] == [None, {"id": loop, "round": 2, "step": "train"}]
    assert "artifacts" not in str(found)
    page = api.get(f"/v1/models/{second}/lineage?after=2&limit=2")
    assert [row["id"] for row in page["records"]] == ["c", "d"]
    assert page["has_more"]
    assert api.get(f"/v1/models/{second}/lineage?after=9")["records"] == []
    assert "artifacts" not in api.get(f"/v1/models/{second}")["lineage"]
    assert api.call("GET", "/v1/models/smollm2-135m-instruct/lineage").status_code == 404


def test_an_adapter_is_downloaded_whole_or_in_part(api: Api) -> None:
    model = trained(api, ["z"])
    whole = api.call("GET", f"/v1/models/{model}/content")
    assert whole.content == b"weights of z"
    part = api.call("GET", f"/v1/models/{model}/content", headers={"Range": "bytes=8-"})
    assert (part.status_code, part.content) == (206, b"of z")
    none = api.call("GET", f"/v1/models/{model}/content?file=optimizer.bin")
    assert (none.status_code, "it has adapter_model.safetensors" in none.text) == (404, True)


def evaluated(api: Api, target: str, nlls: list[float | None], model: str = "smollm2-135m-instruct") -> str:
    """A completed evaluation with these losses; None is a record that could not be scored."""
    job_id = str(api.made("/v1/evaluations", {"target_id": target, "model": model})["id"])
    rows: list[Json] = [
        {"id": str(at), "status": "ok" if nll is not None else "too_long", "answer_nll": nll}
        for at, nll in enumerate(nlls)
    ]
    completed(api, job_id, pa.Table.from_pylist(rows, schema=SCORES))
    return job_id


def completed(api: Api, job_id: str, table: pa.Table) -> None:
    """End all waiting evaluations, this one with the table as its rows."""
    stored = Artifacts(api.settings.artifacts_url).put_table("t/evaluations", table)
    result = {"n": table.num_rows, "artifacts": {"rows": {"path": stored.path, "sha256": stored.sha256}}}
    with api.database.transaction() as session:
        while claim := claims.claim(session, Offer("train", ("evaluate",), "test", 60.0)):
            shards.commit(session, claim, {}, result if claim.job_id == job_id else None)


def test_two_models_are_compared_record_by_record(api: Api) -> None:
    target = api.made("/v1/targets", {"records": [question(number) for number in range(40)]})["id"]
    first = evaluated(api, target, [number % 7 + 1.0 for number in range(39)] + [None])
    second = evaluated(api, target, [number % 7 + 0.5 for number in range(40)])
    found = api.get(f"/v1/evaluations/{first}/compare/{second}")
    loss = found["differences"]["answer_nll"]
    assert loss["n"] == 39
    assert loss["difference"] == pytest.approx(-0.5)
    assert loss["interval"] == pytest.approx([-0.5, -0.5])
    assert loss["p_value"] < 0.001
    assert found["differences"]["accuracy"] is None
    with Client(api.url, api.api_key) as client:
        told = list(client.evaluations.retrieve(first).scores())
    assert [row.answer_nll for row in told] == [number % 7 + 1.0 for number in range(39)] + [None]
    assert (told[0].id, told[0].predicted, told[39].status) == ("0", None, "too_long")
    other = api.made("/v1/targets", {"records": [question(1)]})["id"]
    third = evaluated(api, other, [1.0])
    assert api.call("GET", f"/v1/evaluations/{first}/compare/{third}").json()["code"] == "different_examples"
    open_one = api.made("/v1/evaluations", {"target_id": other, "model": "smollm2-135m-instruct"})["id"]
    early = api.call("GET", f"/v1/evaluations/{open_one}/compare/{first}")
    assert (early.status_code, early.json()["code"]) == (409, "evaluation_not_completed")
    assert api.call("GET", f"/v1/evaluations/{open_one}/scores").json()["code"] == "evaluation_not_completed"


@pytest.mark.parametrize("spec", [{"max_steps": 100_001}, {"epochs": 100.0, "batch_size": 1}])
def test_a_training_with_more_steps_than_the_operator_allows_is_refused(api: Api, spec: Json) -> None:
    records = [question(number) for number in range(1001)]
    pool = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": records})
    for path, where, body in (
        ("/v1/trainings", "/spec", {"pool_id": pool, "spec": spec}),
        ("/v1/loops", "/training", {**loop_over(api, pool), "training": spec}),
    ):
        answer = api.post(path, body)
        (name,) = {"max_steps", "epochs"} & spec.keys()
        found = answer.json()
        assert (answer.status_code, found["code"]) == (422, "too_many_steps"), answer.text
        assert "at most 100000 are allowed (EVOSELECT_MAX_TRAINING_STEPS)" in found["detail"]
        assert f"{where}/{name}" in answer.text


def loop_over(api: Api, pool: str) -> Json:
    """A loop that takes all of a pool in each round."""
    target = api.made("/v1/targets", {"records": [question(number) for number in range(8)]})["id"]
    generator = {"kind": "pool", "pool_id": pool}
    return {"target_id": target, "evaluation_target_id": target, "generator": generator, "k": 1001}


def upload(api: Api, content: bytes) -> str:
    headers = {"Content-Type": "application/x-ndjson"}
    return str(api.call("POST", "/v1/files?name=a.jsonl", content=content, headers=headers).json()["id"])


def test_a_training_takes_a_file_or_all_of_a_pool(api: Api) -> None:
    file = upload(api, lines(question(1), question(2), question(3)))
    by_file = api.made("/v1/trainings", {"file_id": file, "spec": {"epochs": 2.0}})
    assert by_file["progress"]["rows_total"] == 6
    assert by_file["request"]["file_id"] == file
    pool = api.made("/v1/pools", {})["id"]
    empty = api.post("/v1/trainings", {"pool_id": pool})
    assert (empty.status_code, empty.json()["code"]) == (422, "empty_pool")
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(4)]})
    assert api.made("/v1/trainings", {"pool_id": pool})["request"]["pool_version"] == 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "send exactly one of selection_id, file_id, pool_id, got none"),
        ({"pool_id": "pool_a", "file_id": "file_a"}, "got file_id and pool_id"),
        ({"file_id": "file_a", "pool_version": 1}, "pool_version needs pool_id"),
    ],
)
def test_a_training_without_one_source_is_refused(api: Api, body: dict[str, Any], detail: str) -> None:
    answer: httpx.Response = api.post("/v1/trainings", body)
    assert answer.status_code == 422
    assert detail in answer.text


MODEL = "smollm2-135m-instruct"


def test_named_tasks_are_refused_with_the_way_out(api: Api) -> None:
    answer = api.post("/v1/evaluations", {"model": MODEL, "tasks": ["arc_challenge"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "named_tasks_unavailable")
    assert "send their questions as records with choices" in answer.json()["detail"]


@pytest.fixture(scope="module")
def offering(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API whose operator offers lm-eval's tasks."""
    home = tmp_path_factory.mktemp("offering")
    with serve(api.settings.database_url, home, task_folder=home) as live:
        yield live


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"tasks": []}, "at least 1 item"),
        ({"tasks": ["mmlu"], "limit": 0}, "from 1 to 2147483647"),
        ({"tasks": ["mmlu", "mmlu"]}, "tasks names one task twice"),
        ({"tasks": ["mmlu"], "target_id": "tgt_a"}, "got target_id and tasks"),
        ({"target_id": "tgt_a", "limit": 3}, "limit is 3, but it cuts named tasks alone"),
    ],
)
def test_named_tasks_that_make_no_sense_are_refused(offering: Api, body: Json, detail: str) -> None:
    answer = offering.post("/v1/evaluations", {"model": MODEL, **body})
    assert (answer.status_code, detail in answer.text) == (422, True), answer.text


def on_tasks(api: Api, values: list[float], limit: int | None) -> str:
    """A completed evaluation on a named task with these accuracies, question by question."""
    job_id = str(api.made("/v1/evaluations", {"model": MODEL, "tasks": ["quiz"], "limit": limit})["id"])
    rows = [
        {"task": "quiz", "doc_id": at, "doc_hash": f"hash {at}", "metric": "acc", "value": value}
        for at, value in enumerate(values)
    ]
    table = pa.Table.from_pylist(rows, schema=TASK_SCORES)
    completed(api, job_id, table)
    return job_id


def test_named_tasks_are_compared_question_by_question(offering: Api) -> None:
    first = on_tasks(offering, [1.0, 0.0] * 20, limit=40)
    second = on_tasks(offering, [1.0, 1.0] * 20, limit=40)
    found = offering.get(f"/v1/evaluations/{first}/compare/{second}")["differences"]
    assert list(found) == ["quiz acc"]
    assert found["quiz acc"] | {"interval": 0, "p_value": 0} == {
        "n": 40, "first": 0.5, "second": 1.0, "difference": 0.5, "interval": 0, "p_value": 0,
    }  # fmt: skip
    assert found["quiz acc"]["p_value"] < 0.01
    whole = on_tasks(offering, [1.0], limit=None)
    answer = offering.call("GET", f"/v1/evaluations/{first}/compare/{whole}")
    assert (answer.status_code, answer.json()["code"]) == (422, "different_examples")
    assert "40 questions of quiz" in answer.json()["detail"]
