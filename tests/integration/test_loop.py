"""A loop from model to model with real workers, and a training that is killed in the middle."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from benchmarks.demo.data import DemoData, build
from evoselect_client.client import Client
from store.session import Database
from tests.conftest import Stack
from tests.integration.watching import kill_session
from tests.workers.chat_server import scripted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def data() -> DemoData:
    return build(seed=3, scale=0.1)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url, stack.api_key) as client:
        yield client


def row(stack: Stack, statement: str, **values: Any) -> Any:
    database = Database(stack.supervisor.environment["EVOSELECT_DATABASE_URL"])
    with database.transaction() as session:
        found = session.execute(text(statement), values).first()
    database.dispose()
    return found


@pytest.mark.long
def test_two_rounds_go_on_from_each_others_model(client: Client, stack: Stack, data: DemoData) -> None:
    target = client.targets.create(data.target[:8], held_out={"ratio": 0.5})
    pool = client.pools.create()
    pool.add(data.pool[:10])
    loop = client.loops.create(
        target_id=target.id,
        generator={"kind": "pool", "pool_id": pool.id, "size": 5},
        k=3,
        rounds=2,
        training={"max_steps": 1, "batch_size": 2},
    )
    done = loop.wait(timeout=300)
    first, second = (row.arms["selected"] for row in done.rounds())
    assert first.evaluation["answer_nll"] != second.evaluation["answer_nll"]
    ids = [
        {item.id for item in client.selections.retrieve(str(arm.selection_id)).items()}
        for arm in (first, second)
    ]
    assert [len(chosen) for chosen in ids] == [3, 3]
    assert not ids[0] & ids[1]  # consumed once
    training = client.trainings.retrieve(str(second.training_id))
    assert training.request["base_model"] == first.model_id
    assert client.selections.retrieve(str(second.selection_id)).request["model"] == first.model_id
    lineage = client.models.lineage(done.model_id)
    assert {record["id"] for record in lineage["records"]} == ids[0] | ids[1]
    assert [step["loop"]["round"] for step in lineage["trainings"]] == [1, 2]
    sequences = [event.sequence for event in done.events()]
    assert sequences == list(range(1, len(sequences) + 1))
    differences = client.evaluations.compare(str(first.evaluation_id), str(second.evaluation_id))
    assert differences["answer_nll"]["n"] == 4
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    report = httpx.get(f"{stack.url}/v1/loops/{done.id}/report", headers=headers).raise_for_status().json()
    axes = [one["map"]["axes"] for one in report["rounds"]]
    assert axes == [None, {"selection_id": first.selection_id, "round": 1}]


@pytest.mark.long
def test_candidates_of_an_endpoint_and_its_key_stays_where_it_is(
    client: Client, stack: Stack, tmp_path: Path
) -> None:
    key = "sk-of-the-operator-alone"
    (tmp_path / "key").write_text(key)
    sums = [{"prompt": f"{number} + 2 =", "completion": f" {number + 2}"} for number in range(4)]
    target = client.targets.create(sums, held_out={"ratio": 0.5})
    made = [json.dumps({"prompt": f"{number} + 1 =", "completion": f" {number + 1}"}) for number in range(6)]
    with scripted("\n".join(made[:3]), "\n".join(made)) as (url, script):
        entry = {"there": {"url": url, "api_key_file": str(tmp_path / "key")}}
        (stack.supervisor.home.path / "endpoints.json").write_text(json.dumps(entry))
        generator = {"kind": "openai", "endpoint": "there", "model": "m", "size": 5, "concurrency": 1}
        started = client.loops.create(
            target_id=target.id,
            generator=generator,
            k=2,
            rounds=1,
            training={"max_steps": 1, "batch_size": 2},
            stop={"generated_tokens": 1000},
        )
        done = started.wait(timeout=240)
    assert set(script.keys) == {f"Bearer {key}"}
    (only,) = done.rounds()
    assert only.generated["candidates"] == 5
    assert (only.generated["requests"], only.generated["duplicates"]) == (2, 3)
    chosen = client.selections.retrieve(str(only.arms["selected"].selection_id)).items()
    assert {item.record["prompt"] for item in chosen} <= {json.loads(text)["prompt"] for text in made}
    rows = row(stack, "select string_agg(jobs::text, '') || string_agg(jobs.request::text, '') from jobs")
    logs = "".join(path.read_text(errors="replace") for path in stack.supervisor.home.logs.iterdir())
    assert key not in rows[0] + logs


@pytest.mark.long
@pytest.mark.kills
def test_kill_9_in_the_middle_of_a_training_costs_time_and_no_step(
    client: Client, stack: Stack, data: DemoData
) -> None:
    pool = client.pools.create()
    pool.add(data.pool[:6])
    steps = 10
    job = client.trainings.create(pool_id=pool.id, spec={"max_steps": steps, "batch_size": 1}, seed=4)
    deadline = time.monotonic() + 120
    kept = "select 1 from shards where job_id = :id and checkpoint is not null"
    while row(stack, kept, id=job.id) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kill_session(stack.worker_pid("train"))
    result = job.wait(timeout=200).output()
    assert result["steps"] == len(result["loss_history"]) == steps
    attempt, checkpoint = row(stack, "select attempt, checkpoint from shards where job_id = :id", id=job.id)
    assert (attempt, checkpoint) == (2, None)
    told = [event.data["step"] for event in job.events() if event.type == "training.metrics"]
    assert told.count(1) == 1  # the second attempt did not begin anew
    assert row(stack, "select count(*) from models where training_id = :id", id=job.id)[0] == 1
