"""A comparison with real workers, one of which is killed in the middle: the same table as without."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.demo.data import build
from evoselect_client import Client
from evoselect_client.resources.comparisons import MethodComparison
from tests.conftest import Stack
from tests.integration.watching import kill_session

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.kills, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url, stack.api_key) as client:
        yield client


def numbers(comparison: MethodComparison) -> list[tuple[object, ...]]:
    """What the table says, without the ids of the jobs that it was made of."""
    return [(arm.name, arm.trainings, arm.mean, arm.against_random, arm.same_as) for arm in comparison.arms]


def test_kill_9_in_the_middle_gives_the_same_table_and_no_step_twice(client: Client, stack: Stack) -> None:
    data = build(seed=3, scale=0.1)
    target = client.targets.create(data.target[:8], held_out={"ratio": 0.5})
    pool = client.pools.create()
    pool.add(data.pool[:12])
    body: dict[str, Any] = {
        "target_id": target.id,
        "pool_id": pool.id,
        "k": 4,
        "arms": ["random", "mean_hidden"],
        "seeds": 1,
        "draws": 2,
        "training": {"max_steps": 2, "batch_size": 2, "learning_rate": 0.01},
    }
    comparison = client.comparisons.create(**body)
    deadline = time.monotonic() + 200
    while not any(
        event.type == "step.started" and event.data["step"] == "train" for event in comparison.events()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.0)  # a training has been claimed
    kill_session(stack.worker_pid("train"))
    first = comparison.wait(timeout=300)
    assert first.verdict is not None
    assert first.output()["evaluations"] == 3
    begun = [event.data for event in first.events() if event.type == "step.started"]
    keys = [(step["run"], step["arm"], step["step"]) for step in begun]
    assert len(keys) == len(set(keys)) == 9
    second = client.comparisons.create(**body).wait(timeout=300)
    assert numbers(second) == numbers(first)
    assert second.verdict == first.verdict
    drawn = client.selections.retrieve(
        next(arm for arm in first.arms if arm.name == "random").selection_ids[0]
    )
    assert drawn.request["features"]["kind"] == "hidden"  # nobody needed gradients
