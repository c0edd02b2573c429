"""The whole line on real data with the real proxy model, from upload to evaluation, kill -9 included."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.torch import load
from sqlalchemy import text

from benchmarks.demo.data import DemoData, build
from evoselect.spec.selection import METHODS
from evoselect_client.client import Client
from evoselect_client.errors import InvalidRequestError, JobFailedError
from evoselect_client.models import Selection, Training
from tests.conforming import faults_of_paths
from tests.conftest import Stack, start_stack, stop_stack
from tests.integration.watching import blocks_of, database_of, kill_session, workers_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WAIT = 240  # seconds: workers give way to all else that runs on the machine
K, BLOCK_ROWS, SHARD_ROWS = 12, 8, 32


@pytest.fixture(scope="module")
def data() -> DemoData:
    """About 50 candidates of seven real data sets, 64 targets, 160 test questions."""
    return build(seed=3, scale=0.05)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Embedded mode with small shards and blocks, so that a killed worker loses only some of its work."""
    small = {"shard_rows": SHARD_ROWS, "block_rows": BLOCK_ROWS}
    stack, thread = start_stack(tmp_path_factory.mktemp("home"), [], heartbeat_seconds=0.2, **small)
    yield stack
    stop_stack(stack, thread)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url, stack.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def target_id(client: Client, data: DemoData) -> str:
    return client.targets.create(data.target[:16]).id


@pytest.fixture(scope="module")
def pool_id(client: Client, data: DemoData) -> str:
    pool = client.pools.create(name="main job")
    pool.add(data.pool)
    return pool.id


@pytest.fixture(scope="module")
def selection(client: Client, target_id: str, pool_id: str) -> Selection:
    return client.selections.create(target_id=target_id, pool_id=pool_id, k=K).wait(timeout=300)


@pytest.fixture(scope="module")
def training(client: Client, selection: Selection) -> Training:
    return client.trainings.create(selection_id=selection.id, spec={"max_steps": 2}).wait(timeout=240)


def test_answers_are_what_the_reference_says(stack: Stack, selection: Selection, training: Training) -> None:
    picked, request = f"selections/{selection.id}", selection.request
    paths = {
        "Selection": picked,
        "SelectionList": "selections",
        "ItemPage": f"{picked}/items",
        "Candidate": f"{picked}/candidates/{next(iter(selection.items())).content_hash}",
        "Report": f"{picked}/report",
        "Comparison": f"{picked}/compare/{selection.id}",
        "Training": f"trainings/{training.id}",
        "EventList": f"trainings/{training.id}/events",
        "AnyModelList": "models",
        "AnyModel": f"models/{training.model_id}",
        "Lineage": f"models/{training.model_id}/lineage",
        "Target": f"targets/{request['target_id']}",
        "RecordPage": f"pools/{request['pool_id']}/records",
        "BatchList": f"pools/{request['pool_id']}/batches",
    }
    assert faults_of_paths(stack.url, stack.api_key, paths) == {}


def small_pool(client: Client, records: list[dict[str, Any]]) -> str:
    pool = client.pools.create()
    pool.add(records)
    return pool.id


def test_a_selection_gives_k_distinct_items_in_order_with_reasons(
    client: Client, data: DemoData, selection: Selection
) -> None:
    items = list(selection.items())
    sent = {record["id"]: record for record in data.pool}
    assert [item.rank for item in items] == list(range(1, K + 1))
    assert len({item.id for item in items}) == K
    assert all(item.record == sent[item.id] for item in items)
    assert sum(item.weight for item in items) == pytest.approx(1.0)
    result = selection.output()
    counts = result["counts"]
    assert counts["usable"] + sum(counts["left_out"].values()) == counts["pool"] == len(data.pool)
    diagnostics: dict[str, Any] = {**result["diagnostics"]}
    assert diagnostics["gap"] <= 0.01
    served = {row["id"] for row in result["coverage"]}
    assert len(served) == counts["target_statuses"]["ok"]
    assert served <= {row["id"] for row in data.target}
    assert result["coverage"][0]["cosine"] == min(row["cosine"] for row in result["coverage"])
    assert result["manifest"]["spec"]["lambda"] == diagnostics["lambda"]
    assert result["manifest"]["versions"]["evoselect"]
    assert 0.2 < result["features"]["two_seed_agreement"] <= 1.0
    assert result["features"]["prediction"]["rows"] == len(data.pool)
    fields = {"score", "redundancy", "targets", "why", "nearest_selected", "repeats"}
    assert fields <= items[0].model_fields_set


def test_features_are_computed_once(client: Client, stack: Stack, selection: Selection) -> None:
    request = selection.request
    again = client.selections.create(
        target_id=request["target_id"], pool_id=request["pool_id"], k=K, method="round_robin"
    ).wait(timeout=WAIT)
    blocks = blocks_of(stack, again.id)
    assert blocks
    assert all(block["cached"] for block in blocks)


def _again(client: Client, selection: Selection) -> Selection:
    target_id, pool_id = (selection.request[name] for name in ("target_id", "pool_id"))
    return client.selections.create(target_id=target_id, pool_id=pool_id, k=K).wait(timeout=WAIT)


def _spoil(stack: Stack, which: str) -> tuple[Path, bytes]:
    """Flip the last bit of the first cached file of which ``which`` is true; the file, and what it held."""
    with database_of(stack).transaction() as session:
        path = session.scalar(text(f"select artifact from feature_blocks where {which} order by key limit 1"))
    file = stack.supervisor.home.path / "artifacts" / str(path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    return file, whole


def test_a_flipped_byte_in_cached_features_is_found_and_computed_again(
    client: Client, stack: Stack, selection: Selection
) -> None:
    file, whole = _spoil(stack, "rows > 0")
    again = _again(client, selection)
    assert file.read_bytes() == whole
    assert [item.id for item in again.items()] == [item.id for item in selection.items()]


def test_a_flipped_byte_in_the_cached_agreement_is_found_and_measured_again(
    client: Client, stack: Stack, selection: Selection
) -> None:
    file, whole = _spoil(stack, "key like '%-agreement-%'")
    again = _again(client, selection).output()["features"]
    before = selection.output()["features"]
    assert file.read_bytes() == whole
    assert again["two_seed_agreement"] == before["two_seed_agreement"]
    assert again["prediction"] is None  # nothing was computed whose pace could predict


def test_excluded_selections_are_not_selected_again(client: Client, selection: Selection) -> None:
    request = selection.request
    second = client.selections.create(
        target_id=request["target_id"],
        pool_id=request["pool_id"],
        k=K,
        exclude_selection_ids=[selection.id],
    ).wait(timeout=WAIT)
    assert not {item.id for item in selection.items()} & {item.id for item in second.items()}
    assert second.output()["counts"]["left_out"]["excluded"] >= K


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"capacity", "all"}))
def test_every_method_is_offered(client: Client, selection: Selection, method: str) -> None:
    request = selection.request
    done = client.selections.create(
        target_id=request["target_id"], pool_id=request["pool_id"], k=K, method=method
    ).wait(timeout=WAIT)
    assert len({item.id for item in done.items()}) == K
    assert done.output()["diagnostics"]["method"] == method


def test_groups_share_the_budget_as_asked(client: Client, data: DemoData, pool_id: str) -> None:
    grouped = [{**record, "group": "ab"[i % 2]} for i, record in enumerate(data.target[:16])]
    target = client.targets.create(grouped)
    spec = {"group_mode": "quota", "quotas": {"a": 3.0, "b": 1.0}}
    done = client.selections.create(target_id=target.id, pool_id=pool_id, k=K, spec=spec).wait(timeout=WAIT)
    assert done.output()["diagnostics"]["group_shares"] == {"a": 0.75, "b": 0.25}
    half = client.targets.create([*grouped[:8], *data.target[20:24]])
    with pytest.raises(JobFailedError, match="8 of 12 target examples have a group"):
        client.selections.create(target_id=half.id, pool_id=pool_id, k=K).wait(timeout=WAIT)


def test_provided_features_are_selected_by(client: Client, data: DemoData, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(20, 8))
    pool[3] = np.nan
    target = pool[[5, 7]] + rng.normal(scale=1e-3, size=(2, 8))
    np.save(tmp_path / "pool.npy", pool)
    np.save(tmp_path / "target.npy", target)
    files = {name: client.files.create(tmp_path / f"{name}.npy").id for name in ("target", "pool")}
    done = client.selections.create(
        target=data.target[:2],
        candidates=data.pool[:20],
        k=2,
        features={"kind": "provided"},
        feature_files=files,
    ).wait(timeout=WAIT)
    assert {item.id for item in done.items()} == {data.pool[5]["id"], data.pool[7]["id"]}
    assert done.output()["counts"]["left_out"] == {"non_finite": 1}
    short = client.selections.create(
        target=data.target[:3],
        candidates=data.pool[:20],
        k=2,
        features={"kind": "provided"},
        feature_files=files,
    )
    with pytest.raises(JobFailedError, match=r"shape \(2, 8\), but there are 3 records"):
        short.wait(timeout=WAIT)


def test_target_rows_and_rows_that_do_not_fit_are_left_out_and_counted(
    client: Client, stack: Stack, data: DemoData, target_id: str
) -> None:
    leaked = data.target[0]
    endless = {"prompt": "word " * 12_000, "completion": "yes", "id": "endless"}
    pool_id = small_pool(client, [leaked, endless, *data.pool[:6]])
    done = client.selections.create(target_id=target_id, pool_id=pool_id, k=2).wait(timeout=WAIT)
    result = done.output()
    assert result["counts"]["left_out"] == {"in_target": 1, "too_long": 1}
    assert {row["id"]: row["reason"] for row in result["rejected"]} == {
        leaked["id"]: "in_target",
        "endless": "too_long",
    }
    strict = client.selections.create(
        target_id=target_id, pool_id=pool_id, k=2, features={"on_bad_row": "reject"}
    )
    with pytest.raises(
        JobFailedError, match=r"without usable features: \{'too_long': 1\}; remove them, or set"
    ):
        strict.wait(timeout=WAIT)
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    listed = httpx.get(f"{stack.url}/v1/selections/{done.id}/rejected", headers=headers)
    assert [json.loads(line) for line in listed.text.splitlines()] == result["rejected"]


def test_more_than_can_be_selected_fails_with_the_count(
    client: Client, data: DemoData, target_id: str
) -> None:
    same = {key: value for key, value in data.pool[0].items() if key != "id"}
    copies = [{**same, "id": f"copy-{i}"} for i in range(5)]
    pool_id = small_pool(client, copies)
    with pytest.raises(InvalidRequestError, match="the pool holds 1 candidates"):
        client.selections.create(target_id=target_id, pool_id=pool_id, k=2)
    one = client.selections.create(target_id=target_id, pool_id=pool_id, k=1).wait(timeout=WAIT)
    assert len(list(one.items())) == 1
    with_a_leak = small_pool(client, [*copies, data.target[0]])
    with pytest.raises(JobFailedError, match="only 1 of 2 candidates"):
        client.selections.create(target_id=target_id, pool_id=with_a_leak, k=2).wait(timeout=WAIT)


def test_one_candidate_and_one_target(client: Client, data: DemoData) -> None:
    target = client.targets.create(data.target[:1])
    pool_id = small_pool(client, data.pool[:1])
    done = client.selections.create(target_id=target.id, pool_id=pool_id, ratio=1.0).wait(timeout=WAIT)
    (item,) = done.items()
    assert item.id == data.pool[0]["id"]
    assert item.weight == pytest.approx(1.0)


def test_training_and_evaluation_follow_from_a_selection(
    client: Client, data: DemoData, selection: Selection, training: Training
) -> None:
    lineage = client.models.lineage(training.model_id)
    assert [record["id"] for record in lineage["records"]] == [item.id for item in selection.items()]
    assert lineage["trainings"][0]["selection_id"] == selection.id
    assert load(client.models.content(training.model_id))  # safetensors
    held_out = client.targets.create(data.test[:8])
    base, tuned = (
        client.evaluations.create(model=name, target_id=held_out.id).wait(timeout=240).output()
        for name in ("smollm2-135m-instruct", training.model_id)
    )
    assert base["n"] == tuned["n"] == 8
    assert tuned["accuracy"] is not None
    assert 0.0 <= tuned["accuracy"] <= 1.0
    assert base["answer_nll"] != tuned["answer_nll"]


@pytest.mark.long
@pytest.mark.kills
def test_kill_9_of_the_feature_worker_costs_time_and_nothing_else(
    client: Client, stack: Stack, target_id: str, pool_id: str, selection: Selection
) -> None:
    with database_of(stack).transaction() as session:
        session.execute(text("delete from feature_blocks"))
    job = client.selections.create(target_id=target_id, pool_id=pool_id, k=K)
    _wait_until_inside_a_shard(stack, job.id)
    killed = kill_session(stack.worker_pid("features"))
    assert killed >= 2  # the parent and its computing child
    with database_of(stack).transaction() as session:  # before another worker has loaded the model
        finished = set(session.scalars(text("select key from feature_blocks where rows > 0")))
    committed = {block["key"] for block in blocks_of(stack, job.id)}
    done = job.wait(timeout=300)
    assert [item.model_dump() for item in done.items()] == [item.model_dump() for item in selection.items()]
    with database_of(stack).transaction() as session:
        attempts = session.scalars(
            text("select attempt from shards where job_id = :id"), {"id": job.id}
        ).all()
    assert max(attempts) == 2
    assert finished - committed  # blocks of the shard that was killed
    blocks = blocks_of(stack, job.id)
    assert {block["key"] for block in blocks if block["cached"]} == finished - committed


@pytest.mark.long
def test_two_feature_workers_give_the_same_features_as_one(
    client: Client, stack: Stack, data: DemoData, target_id: str, pool_id: str, selection: Selection
) -> None:
    alone = {block["key"]: block["sha256"] for block in blocks_of(stack, selection.id)}
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "workers.app",
        "worker",
        "-Q",
        "features",
        "-n",
        "second@%h",
    ]
    before = workers_of(stack, None)
    second = subprocess.Popen(command, env=stack.supervisor.environment, start_new_session=True)
    try:
        seed = 100
        while workers_of(stack, None) == before:  # until the second one has loaded the model too
            seed += 1
            client.selections.create(
                target=data.test[:4], candidates=data.test[4:8], k=1, features={"seed": seed}
            ).wait(timeout=WAIT)
        with database_of(stack).transaction() as session:
            session.execute(text("delete from feature_blocks"))
        job = client.selections.create(target_id=target_id, pool_id=pool_id, k=K)
        done = job.wait(timeout=300)
    finally:
        kill_session(second.pid)
        second.wait()
    assert len(workers_of(stack, done.id)) == 2
    together = blocks_of(stack, done.id)
    assert not any(block["cached"] for block in together)
    assert {block["key"]: block["sha256"] for block in together} == alone
    assert [item.model_dump() for item in done.items()] == [item.model_dump() for item in selection.items()]


@pytest.mark.long
def test_gradients_of_several_checkpoints_scaled_by_adam(
    client: Client, stack: Stack, data: DemoData, selection: Selection, training: Training
) -> None:
    earlier = client.trainings.create(selection_id=selection.id, spec={"max_steps": 1}).wait(timeout=240)
    checkpoints = [
        {"model": earlier.model_id, "weight": 1.0},
        {"model": training.model_id, "weight": 0.5},
    ]
    asked = {"checkpoints": checkpoints, "precondition": "adam", "dim": 840}
    done = client.selections.create(
        target=data.target[:4], candidates=data.pool[:12], k=3, features=asked
    ).wait(timeout=240)
    assert len(list(done.items())) == 3
    shards = {block["key"]: block for block in blocks_of(stack, done.id)}
    assert len(shards) == 6  # a block of the target and two of the pool at each checkpoint
    with pytest.raises(JobFailedError, match="'smollm2-135m-instruct' has no optimizer state beside it"):
        client.selections.create(
            target=data.target[:4], candidates=data.pool[:12], k=3, features={"precondition": "adam"}
        ).wait(timeout=240)


def _wait_until_inside_a_shard(stack: Stack, job_id: str) -> None:
    """Until a worker has finished a block of a shard and has a whole one before it."""
    deadline = time.monotonic() + 200
    query = text(
        "select count(*) from shards "
        "where job_id = :id and rows_done > :block and rows_done <= rows_total - :block"
    )
    while True:
        with database_of(stack).transaction() as session:
            if session.scalar(query, {"id": job_id, "block": BLOCK_ROWS}):
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
