"""What stands in the name of a worker that does not work on it: a dead sibling, an answer that got lost."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.jobs import claims
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.jobs.plans import ShardPlan
from store.session import Database
from store.settings import Settings
from store.tables.states import JobKind
from tests.chaos import disks
from tests.store.loops.test_advance import BASE_FAILED, GENERATING, Line
from workers.context import Context
from workers.process import memory, siblings
from workers.process.leaving import leaving
from workers.process.phases_by_name import PHASES
from workers.process.workplace import Workplace, upkeep

QUEUES = ["features", "select"]


@pytest.fixture
def place(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A workplace of two phases that do nothing."""
    monkeypatch.setenv(siblings.VARIABLE, "family")
    for phase in ("features", "transport"):
        monkeypatch.setitem(PHASES, phase, "tests.chaos.phases.empty")
    return Workplace(Context(Settings(), database, Artifacts(f"file://{tmp_path}")), QUEUES)


def claim_as(database: Database, tenant: str, worker: str) -> Claim:
    """A job of one shard, held by a worker with a long lease."""
    with database.transaction() as session:
        plans = [ShardPlan("features", 0, 1)]
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans)
        claim = claims.claim(session, Offer("features", ("features",), worker, 60.0))
    assert claim is not None
    return claim


def sibling(pid: int) -> str:
    return siblings.own_name().removesuffix(str(os.getpid())) + str(pid)


def state(database: Database, claim: Claim) -> tuple[str, int, int]:
    query = text("select state, attempt, deaths from shards where id = :id")
    with database.transaction() as session:
        return tuple(session.execute(query, {"id": claim.shard_id}).one())


def test_the_shard_of_a_dead_sibling_does_not_wait_for_its_lease(
    place: Workplace, database: Database, tenant: str
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    claim = claim_as(database, tenant, sibling(dead.pid))
    assert place.drain() == 2
    assert state(database, claim) == ("done", 2, 1)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_may_be_alive_keeps_its_shard(
    place: Workplace, database: Database, tenant: str, elsewhere: bool
) -> None:
    worker = "host:family:4194305" if elsewhere else sibling(os.getppid())
    claim = claim_as(database, tenant, worker)
    assert place.drain() == 0
    assert state(database, claim) == ("running", 1, 0)


def test_a_shard_whose_claim_was_never_answered_is_taken_again(
    place: Workplace, database: Database, tenant: str
) -> None:
    claim = claim_as(database, tenant, siblings.own_name())
    assert place.drain() == 2
    assert state(database, claim) == ("done", 2, 1)


def test_an_input_that_is_gone_fails_the_job_and_is_named(
    place: Workplace, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PHASES, "features", "tests.chaos.phases.features")
    payload = {"artifact": "pools/gone.parquet", "sha256": "0", "start": 0, "stop": 1}
    with database.transaction() as session:
        plans = [ShardPlan("features", 0, 1, payload)]
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans)
    attempts = place.context.settings.max_attempts
    for attempt in range(attempts):
        assert place.drain() == 1, attempt
        make_due(database)  # the wait after a fault doubles, from 5 s
    with database.transaction() as session:
        error = session.scalars(text("select error from jobs")).one()
    assert error["code"] == "shard_poisoned"
    assert "artifact pools/gone.parquet is missing: restore it" in error["detail"]
    assert f"failed {attempts} times" in error["detail"]


def test_a_job_that_is_short_of_memory_fails_alone_and_at_once(
    place: Workplace, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        hungry = jobs.create(
            session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=[ShardPlan("features", 0, 1)]
        ).id
    monkeypatch.setattr(memory, "total", lambda: 0)  # nobody else takes any
    monkeypatch.setitem(PHASES, "features", "tests.workers.hungry")
    assert place.drain() == 1
    monkeypatch.setitem(PHASES, "features", "tests.chaos.phases.empty")
    claim = claim_as(database, tenant, "host:family:4194305")  # another worker's, in the same database
    with database.transaction() as session:
        rows = session.execute(text("select id, status, error->>'code' from jobs order by created_at")).all()
    assert [tuple(row) for row in rows] == [
        (hungry, "failed", "out_of_memory"),
        (claim.job_id, "running", None),
    ]


def test_a_job_is_tried_again_where_others_had_most_of_the_memory(
    place: Workplace, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        plans = [ShardPlan("features", 0, 1)]
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans)
    monkeypatch.setattr(memory, "total", lambda: 2**60)
    monkeypatch.setitem(PHASES, "features", "tests.workers.hungry")
    assert place.drain() == 1
    query = "select state, faults, last_fault from shards"
    with database.transaction() as session:
        where, faults, reason = session.execute(text(query)).one()
    assert (where, faults) == ("ready", 1)
    assert reason.startswith("Crowded: others had most of the memory")


def test_a_look_that_no_ops_worker_makes_is_made_by_whoever_sweeps(
    database: Database, tenant: str, tmp_path: Path
) -> None:
    artifacts = Artifacts(f"file://{tmp_path}")
    line = Line(database, tenant, artifacts, **GENERATING[1])
    line.look()
    assert line.claim("generate") is not None  # for hours
    line.fail_base()
    for poll, status in ((60.0, "running"), (0.001, "failed")):
        upkeep(Context(Settings(sweep_seconds=0.001, poll_seconds=poll), database, artifacts))
        assert line.job().status == status
    assert BASE_FAILED in (line.job().error or {})["detail"]
    assert line.claim("ops", ("advance",)) is None


@pytest.mark.parametrize("queue", ["generate", "ops"])
def test_a_generator_runs_beside_the_ops_worker_wherever_its_shard_lies(
    database: Database, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    """An earlier release put generators into the queue of sweeps and webhooks."""
    for phase in ("advance", "generate"):
        monkeypatch.setitem(PHASES, phase, "tests.chaos.phases.empty")
    artifacts = Artifacts(f"file://{tmp_path}")
    Line(database, tenant, artifacts, **GENERATING[1]).look()
    with database.transaction() as session:
        session.execute(text("update shards set queue = :queue where phase = 'generate'"), {"queue": queue})
    ctx = Context(Settings(), database, artifacts)
    assert Workplace(ctx, ["ops"]).drain() == 0
    assert Workplace(ctx, ["generate"]).drain() == 1


def test_a_shard_that_meets_a_full_disk_waits_for_room_and_counts_no_fault(
    database: Database, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setitem(PHASES, "features", "tests.workers.filling")
    monkeypatch.setitem(PHASES, "transport", "tests.chaos.phases.empty")
    with disks.small_disk(home, 8) as reason:
        if reason:
            pytest.skip(reason)
        settings = Settings(home=home, max_attempts=1)  # a fault that counts would fail the job
        place = Workplace(Context(settings, database, Artifacts(f"file://{home}/artifacts")), QUEUES)
        with database.transaction() as session:
            plans = [ShardPlan("features", 0, 1)]
            jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans)
        assert place.drain() == 1
        make_due(database)
        assert place.drain() == 0  # there is no room yet
        disks.free(home)
        assert place.drain() == 2
    with database.transaction() as session:
        rows = session.execute(text("select state, deaths + faults, last_fault from shards order by phase"))
        (features, _) = rows.all()
        assert session.scalars(text("select status from jobs")).all() == ["completed"]
    assert features[:2] == ("done", 0)
    assert "No space left on device" in features[2]


def test_an_idle_worker_loads_its_short_phases_alone() -> None:
    told = "import sys; print([name for name in ('torch', 'transformers', 'ot') if name in sys.modules])"
    for phases, loaded in ((("sums", "lists", "features"), ["torch"]), (("train", "judge"), [])):
        program = f"from workers.process.phases_by_name import load; load({phases}); {told}"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(loaded)


def test_a_phase_that_cannot_be_loaded_leaves_the_worker_at_work(
    place: Workplace,
    database: Database,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(PHASES, "sums", "workers.phases.that_is_none")
    leaving.set()
    try:
        place.poll_until_leaving()
    finally:
        leaving.clear()
    for thread in threading.enumerate():
        if thread.name == "ready":
            thread.join()
    assert "a phase could not be loaded" in caplog.text
    with database.transaction() as session:
        plans = [ShardPlan("features", 0, 1)]
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans)
    assert place.drain() == 2


def make_due(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("update shards set available_at = now()"))


def test_a_commit_whose_answer_was_lost_leaves_no_shard_behind(
    place: Workplace, database: Database, tenant: str
) -> None:
    """It counted and took the next shard along; the worker finds its token used up."""
    with database.transaction() as session:
        plans = [ShardPlan("features", index, 1) for index in range(3)]
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans)
    lost = losing_an_answer(database, "'shard.done'")
    try:
        assert place.drain() == 4
    finally:
        event.remove(Session, "after_commit", lost)
    with database.transaction() as session:
        attempts = session.scalars(text("select attempt from shards order by phase, index")).all()
        assert session.scalars(text("select status from jobs")).all() == ["completed"]
    assert attempts == [1, 2, 1, 1]


def losing_an_answer(database: Database, statement: str) -> Callable[[Session], None]:
    """The connection breaks once, after the commit of a transaction with such a statement."""
    seen: list[str] = []

    def look(connection: Any, cursor: Any, executed: str, *_: Any) -> None:
        if statement in executed:
            seen.append(executed)

    def lose(session: Session) -> None:
        if len(seen) == 1:
            seen.append("lost")
            raise OperationalError("commit", {}, ConnectionError("the answer was lost"))

    event.listen(database.engine, "before_cursor_execute", look)
    event.listen(Session, "after_commit", lose)
    return lose
