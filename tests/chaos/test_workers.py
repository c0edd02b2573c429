"""What real workers promise one by one: a shard given back in time, work without a broker, a wrong clock."""

import os
import signal
import time
from collections.abc import Iterator
from random import Random

import pytest
from sqlalchemy import select, text

from store.embedded import processes
from store.models import Event, Job
from store.states import TERMINAL
from tests.chaos.crash_points import EXPECTED, LIVES, Scene, in_child, plain, prepare
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
    with fleet(home, variables={"CHAOS_STEP_SECONDS": STEP_SECONDS}, shard_rows=10, lease=30.0) as made:
        yield made


def submit(made: Fleet, candidates: int) -> str:
    record = {"prompt": "?", "completion": "!"}
    body = {
        "target": [record],
        "candidates": [{**record, "prompt": f"{n}?"} for n in range(candidates)],
        "k": 1,
    }
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
    worker = busy_worker(slow_fleet, Random(0))
    asked = time.time()
    os.kill(slow_fleet.running[worker].process.pid, signal.SIGTERM)
    assert wait_for_end(slow_fleet, job_id, 60).status == "completed"
    with slow_fleet.database.transaction() as session:
        events = session.scalars(select(Event).where(Event.job_id == job_id)).all()
    (released,) = [event for event in events if event.type == "shard.released"]
    assert "asked to end" in released.data["reason"]
    assert released.created_at.timestamp() - asked < slow_fleet.settings.shutdown + 1.0
    assert not [event for event in events if event.type == "shard.lost"]


def test_without_a_broker_jobs_are_accepted_and_done(slow_fleet: Fleet) -> None:
    down = slow_fleet.running["valkey"]
    down.process.terminate()
    down.process.wait()
    try:
        job_id = submit(slow_fleet, 2)
        assert wait_for_end(slow_fleet, job_id, 60).status == "completed"
    finally:
        slow_fleet.running["valkey"] = processes.start(down.child)


def test_a_workers_wrong_clock_changes_nothing(crash_scene: Scene) -> None:
    made = prepare(crash_scene, "plain")
    LIVES["an hour ahead"] = an_hour_ahead
    try:
        status, _ = in_child(made, "an hour ahead", crash_at=None)
    finally:
        del LIVES["an hour ahead"]
    assert status == 0
    ctx = made.context()
    with ctx.database.transaction() as session:
        assert session.scalars(text("select result ->> 'hash' from jobs")).all() == [EXPECTED]
        spread = "select max(abs(extract(epoch from created_at - clock_timestamp()))) from events"
        assert float(session.scalar(text(spread)) or HOUR) < HOUR / 2
    ctx.database.dispose()


def an_hour_ahead(scene: Scene, ctx: Context) -> None:
    """A life in a process whose clock is wrong; the clock belongs to the outside world."""
    right = time.time
    time.time = lambda: right() + HOUR
    plain(scene, ctx)
