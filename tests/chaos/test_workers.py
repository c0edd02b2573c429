"""What real workers promise one by one: a shard given back in time, no broker, a wrong clock, a full disk."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from sqlalchemy import select, text

from embedded import processes
from store.tables.jobs import Event, Job
from store.tables.states import TERMINAL
from tests.chaos.crash_points import EXPECTED, Life, Scene, accept, lived, plain, work
from tests.chaos.faults import busy_worker
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.runs import post
from workers.context import Context

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
HOUR = 3600.0
STEP_SECONDS = "0.3"


@pytest.fixture(scope="module")
def slow_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Workers that take a while for each record."""
    home = tmp_path_factory.mktemp("fleet")
    with fleet(
        home, variables={"CHAOS_STEP_SECONDS": STEP_SECONDS}, shard_rows=10, lease_seconds=30.0
    ) as made:
        yield made


def submit(made: Fleet, candidates: int) -> str:
    records = [{"prompt": f"{n}?", "completion": "!"} for n in range(10 + candidates)]
    body = {"target": records[:10], "candidates": records[10:], "k": 1}  # whole shards: none ends too soon
    answer = post(made, made.tenants[0], "/v1/selections", body, {})
    assert answer is not None
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def wait_for_end(made: Fleet, job_id: str, seconds: float) -> Job:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with made.database.transaction() as session:
            job = session.get_one(Job, job_id)
        if job.status in TERMINAL:
            return job
        time.sleep(0.05)
    raise AssertionError(f"{job_id} is {job.status} after {seconds} s")


def test_a_worker_that_is_asked_to_end_gives_its_shard_back_in_time(slow_fleet: Fleet) -> None:
    job_id = submit(slow_fleet, 20)
    worker = busy_worker(slow_fleet, Random(0), seconds=60)
    asked = time.time()
    os.kill(slow_fleet.running[worker].process.pid, signal.SIGTERM)
    assert wait_for_end(slow_fleet, job_id, 120).status == "completed"
    with slow_fleet.database.transaction() as session:
        events = session.scalars(select(Event).where(Event.job_id == job_id)).all()
    (released,) = [event for event in events if event.type == "shard.released"]
    assert "asked to end" in released.data["reason"]
    assert released.created_at.timestamp() - asked < slow_fleet.settings.shutdown_seconds + 1.0
    assert not [event for event in events if event.type == "shard.lost"]


def test_without_a_broker_jobs_are_accepted_and_done(slow_fleet: Fleet) -> None:
    down = slow_fleet.running["valkey"]
    down.process.terminate()
    down.process.wait()
    try:
        job_id = submit(slow_fleet, 2)
        assert wait_for_end(slow_fleet, job_id, 120).status == "completed"
    finally:
        slow_fleet.running["valkey"] = processes.start(down.child)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_workers_wrong_clock_changes_nothing(crash_scene: Scene, hours: int) -> None:
    def wrong_by_hours(scene: Scene, ctx: Context) -> None:
        """The clock belongs to the outside world."""
        right = time.time
        time.time = lambda: right() + hours * HOUR
        plain(scene, ctx)

    ctx = lived(crash_scene, Life("wrong clock", wrong_by_hours))
    with ctx.database.transaction() as session:
        assert session.scalars(text("select result ->> 'hash' from jobs")).all() == [EXPECTED]
        spread = "select max(abs(extract(epoch from created_at - clock_timestamp()))) from events"
        assert float(session.scalar(text(spread)) or HOUR) < HOUR / 2
    ctx.database.dispose()


def test_on_a_full_disk_a_shard_waits_and_leaves_nothing_half_written(crash_scene: Scene) -> None:
    def full_at_first(scene: Scene, ctx: Context) -> None:
        """Of every file only the first bytes can be written, until room is made."""
        accept(scene)
        patient = replace(ctx, settings=ctx.settings.model_copy(update={"retry_delay_seconds": 0.2}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        work(patient, ["features"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        time.sleep(0.8)  # of two faults
        plain(scene, patient)

    ctx = lived(crash_scene, Life("full disk", full_at_first))
    with ctx.database.transaction() as session:
        assert session.scalars(text("select result ->> 'hash' from jobs")).all() == [EXPECTED]
        faults = set(session.scalars(text("select last_fault from shards where faults > 0")))
    assert {fault.split(":")[0] for fault in faults} == {"OSError"}
    assert not list(crash_scene.settings.home.joinpath("artifacts").rglob("*.tmp"))
    ctx.database.dispose()
