"""What a crew of workers is started with."""

import os
import socket
import sys
from pathlib import Path

import pytest

from embedded import workers
from embedded.children import MOST_RESTARTS, GaveUp
from embedded.processes import Child
from store.jobs.plans import QUEUE
from store.settings import Settings

HOST = socket.gethostname()


def test_every_queue_has_workers() -> None:
    assert set(workers.QUEUES) == set(QUEUE.values())


def test_a_worker_for_each_gpu_sees_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,MIG-a/3/0")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    made = workers.crew(["features"], ["2", "MIG-a/3/0"], several=1)
    assert [one.name for one in made] == [f"features-2@{HOST}", f"features-MIG-a-3-0@{HOST}"]
    assert [one.environment["CUDA_VISIBLE_DEVICES"] for one in made] == ["2", "MIG-a/3/0"]
    nodes = [one.arguments[one.arguments.index("-n") + 1] for one in made]
    assert nodes == ["features-2@%h", "features-MIG-a-3-0@%h"]
    assert {one.environment[workers.SUPERVISOR] for one in made} == {str(os.getpid())}
    assert all("OMP_NUM_THREADS" in one.environment for one in made)  # they share the cores
    assert "HF_HUB_OFFLINE" not in made[0].environment  # what the operator set stays


def test_without_gpus_so_many_of_all_the_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOSELECT_KEY_PEPPER", "p")
    made = workers.crew(["features", "ops"], [], several=2)
    assert [one.name for one in made] == [f"features+ops-{number}@{HOST}" for number in (1, 2)]
    assert all("CUDA_VISIBLE_DEVICES" not in one.environment for one in made)
    assert all("-B" in one.arguments and "features,ops" in one.arguments for one in made)
    assert "EVOSELECT_KEY_PEPPER" not in made[0].environment  # ops signs webhooks
    (other,) = workers.crew(["select"], [], several=1)
    assert ("-B" in other.arguments, other.environment["EVOSELECT_KEY_PEPPER"]) == (False, "")


def test_a_crew_gives_up_with_the_status_of_what_cannot_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.processes.FIRST_BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr("embedded.processes.LONGEST_BACKOFF_SECONDS", 0.0)
    lines: list[str] = []
    crew = workers.Crew(Settings(home=tmp_path, disk_reserve_share=0.0), lines.append)
    lives = Child("lives", [sys.executable, "-c", "import time; time.sleep(600)"], None)
    dies = Child("dies", [sys.executable, "-c", "raise SystemExit(78)"], None)
    with pytest.raises(GaveUp, match="exited with 78: see what it printed above") as gave_up:
        crew.run([lives, dies])
    assert gave_up.value.code == 78
    crew.stop()
    assert sum("dies runs again" in line for line in lines) == MOST_RESTARTS
    assert any(line.startswith("lives (process ") and line.endswith("has ended") for line in lines)
