"""Loops on a real PostgreSQL: the rows that workers leave, without their work."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from evoselect.spec.selection import SelectionSpec
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifacts
from store.data import pools, targets
from store.data.pools import Counts
from store.errors import Conflict
from store.jobs import claims, plans, shards, submissions
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.jobs.requests import LoopWork
from store.kit.ids import new_id
from store.loops import advance as loops
from store.loops import pauses
from store.loops import steps as loop_steps
from store.loops.results import Generated
from store.records.record import parse_record
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Job, Shard
from store.tables.loops import LoopStep, Round
from store.tables.states import JobKind
from store.upkeep import sweeper

SETTINGS = Settings()
QUOTA = StorageQuota.of(SETTINGS)
QUEUES = tuple(dict.fromkeys(plans.QUEUE.values()))
PHASES = {"features": "features", "select": "transport", "train": "train", "ops": "advance"}
BASE_FAILED = "(evaluate of round 0) failed with model_unavailable: no such file"
GENERATING: list[dict[str, Any]] = [
    {"size": 4},
    {"generator": {"kind": "openai", "url": "https://example.com/v1", "model": "m", "size": 5}},
]
FINISHED: dict[str, dict[str, Any]] = {
    "transport": {"artifacts": {"items": {"path": "i", "sha256": "0", "rows": 2}}},
    "train": {"model_id": "mdl_x", "steps": 4},
    "evaluate": {"answer_nll": 2.0, "choice_cross_entropy": None, "n": 1},
}


class Line:
    """A loop and hands that do what its workers would."""

    def __init__(
        self, database: Database, tenant: str, artifacts: Artifacts, size: int | None = None, **spec: Any
    ) -> None:
        self.database, self.tenant = database, tenant
        with database.transaction() as session:
            examples = [parse_record({"prompt": f"{number}?", "completion": "x"}) for number in range(9)]
            kept, _ = targets.kept(session, artifacts, tenant, (examples, [None] * 9), quota=QUOTA)
            target = kept.id
            pool = pools.create(session, tenant)
            self.pool_id = pool.id
            stored = artifacts.put_bytes("x", b"x", "")
            pools.append(session, pool, new_id("bat"), stored, counts=Counts(9, 9, 0, 0), quota=None)
            generator = {"kind": "pool", "pool_id": pool.id, "pool_version": 1, "size": size}
            request = {
                "target_id": target,
                "evaluation_target_id": target,
                "base_model": "base",
                "spec": {"generator": generator, "k": 2, **spec},
            }
            label = submissions.Label()
            self.id = submissions.loop(session, tenant, LoopWork.model_validate(request), label).id

    def claim(self, queue: str, phases: Iterable[str] = plans.QUEUE) -> Claim | None:
        with self.database.transaction() as session:
            return claims.claim(session, Offer(queue, tuple(phases), "w", 60.0))

    def look(self) -> None:
        """Make the look that waits."""
        claim = self.claim("ops", ("advance",))
        assert claim is not None
        self.commit(claim)

    def fail_base(self) -> None:
        """The evaluation of the base model ends without a result."""
        with self.database.transaction() as session:
            base = jobs.lock(session, loop_steps.job_id(session, self.id, 0, "evaluate"))
            jobs.fail(session, base, "model_unavailable", "no such file")

    def commit(self, claim: Claim, **result: Any) -> None:
        with self.database.transaction() as session:
            if claim.phase == "advance":
                loops.advance(session, SETTINGS, claim.job_id)
            number = sum(step.job.result is not None for step in loop_steps.of_loop(session, self.id))
            found = {**FINISHED.get(claim.phase, {}), **result}
            if claim.phase == "train":
                found["model_id"] = f"mdl_{number}"
            shards.commit(session, claim, {}, found or None)

    def run(self, *, until: str | None = None, **result: Any) -> None:
        """Do all that waits; stop before the first shard of the phase `until`."""
        while claim := next(filter(None, map(self.claim, QUEUES)), None):
            if claim.phase == until:
                with self.database.transaction() as session:
                    shards.hand_back(session, claim)
                return
            self.commit(claim, **result)

    def job(self, job_id: str | None = None) -> Job:
        with self.database.transaction() as session:
            return session.get_one(Job, job_id or self.id)

    def steps(self) -> list[tuple[int, str]]:
        with self.database.transaction() as session:
            return [(step.round, step.name) for step in loop_steps.of_loop(session, self.id)]

    def step(self, number: int, name: str) -> Job:
        with self.database.transaction() as session:
            return session.get_one(Job, loop_steps.job_id(session, self.id, number, name))

    def events(self) -> list[str]:
        with self.database.transaction() as session:
            rows = jobs.events(session, self.id)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        return [row.type for row in rows if not row.type.startswith("shard.")]


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(f"file://{tmp_path}/artifacts")


def test_two_rounds_go_from_model_to_model_and_consume_once(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts, seed=5)
    line.run()
    assert line.job().status == "completed"
    assert sorted(line.steps()) == [
        (0, "evaluate"),
        *[(number, name) for number in (1, 2) for name in ("evaluate", "select", "train")],
    ]
    first, second = line.step(1, "train"), line.step(2, "train")
    assert first.request["base_model"] == "base"
    assert second.request["base_model"] == (first.result or {})["model_id"]
    assert (first.request["seed"], second.request["seed"]) == (5, 6)
    chosen = line.step(2, "select")
    assert chosen.request["model"] == (first.result or {})["model_id"]
    assert chosen.request["exclude_selection_ids"] == [line.step(1, "select").id]
    assert line.step(0, "evaluate").request["model"] == "base"
    assert line.step(2, "evaluate").request["model"] == (second.result or {})["model_id"]
    result = line.job().result or {}
    assert (result["stop_reason"], result["rounds"]) == ("rounds", 2)
    assert result["model_id"] == (second.result or {})["model_id"]
    assert result["trained_examples"] == 2 * 4 * 8
    told = line.events()
    assert told[-1] == "job.completed"
    assert told.count("round.started") == told.count("round.completed") == 2


def test_a_fixed_proxy_and_no_consumption(database: Database, tenant: str, artifacts: Artifacts) -> None:
    line = Line(database, tenant, artifacts, proxy="small", consume_once=False)
    line.run()
    request = line.step(2, "select").request
    assert (request["model"], request["exclude_selection_ids"]) == ("small", [])


def test_the_random_arm_trains_its_own_models_on_as_many(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    ours = {"lambda": "auto", "tradeoff": True, "repeat_budget": 4}
    line = Line(database, tenant, artifacts, random_arm=True, rounds=9, stop={"patience": 1}, selection=ours)
    line.run()
    drawn = line.step(1, "random.select").request
    assert SelectionSpec.model_validate(drawn["spec"]) == SelectionSpec(method="random", repeat_budget=4)
    assert drawn["k"] == 2
    assert drawn["model"] == line.step(1, "select").request["model"]
    assert line.step(1, "random.train").request["selection_id"] == line.step(1, "random.select").id
    result = line.job().result or {}
    assert (result["stop_reason"], result["rounds"]) == ("no_gain", 1)  # both arms have the same loss here


def test_looks_that_come_too_often_or_at_once_begin_nothing_twice(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts)
    line.run(until="train")
    before = line.steps()

    def look() -> None:
        with database.transaction() as session:
            loops.advance(session, SETTINGS, line.id)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert line.steps() == before
    line.run()
    assert len(line.steps()) == 7


def test_a_second_round_beside_an_open_one_and_a_second_step_are_impossible(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts)
    line.run(until="train")
    for row in (
        Round(loop_id=line.id, number=2, state="running"),
        LoopStep(loop_id=line.id, round=1, step="train", job_id=line.step(1, "select").id),
    ):
        with pytest.raises(IntegrityError), database.transaction() as session:
            session.add(row)


def test_a_look_that_dies_is_made_again_and_its_half_done_work_is_gone(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts)
    claim = line.claim("ops")
    assert claim is not None

    def die() -> None:
        with database.transaction() as session:
            loops.advance(session, SETTINGS, line.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die()
    assert line.steps() == []
    with database.transaction() as session:
        session.execute(text("update shards set lease_until = now() - interval '1 second'"))
    assert sweeper.take_back(database, max_attempts=5) == 1
    line.run()
    assert line.job().status == "completed"


def test_a_lost_promise_of_a_look_is_mended(database: Database, tenant: str, artifacts: Artifacts) -> None:
    line = Line(database, tenant, artifacts)
    line.run(until="train")
    with database.transaction() as session:
        session.execute(text("update jobs set status = 'completed' where kind in ('training', 'evaluation')"))
        result = '{"model_id": "mdl_x", "steps": 1}'
        session.execute(text(f"update jobs set result = '{result}' where kind <> 'loop'"))
        session.execute(text("update shards set state = 'done' where phase <> 'advance'"))
    assert sweeper.mend_loops(database) == 1
    line.run()
    assert line.job().status == "completed"
    assert sweeper.mend_loops(database) == 0


def test_a_pause_begins_nothing_and_a_resume_goes_on(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts)
    line.run(until="train")
    with database.transaction() as session:
        assert pauses.pause(session, tenant, line.id).status == "paused"
    line.run()
    assert line.step(1, "train").status == "completed"
    assert (1, "evaluate") not in line.steps()
    with database.transaction() as session:
        assert pauses.resume(session, tenant, line.id).status == "running"
    line.run()
    assert line.job().status == "completed"
    assert {"job.paused", "job.completed"} <= set(line.events())
    with (
        pytest.raises(Conflict, match="is completed: it cannot be paused"),
        database.transaction() as session,
    ):
        pauses.pause(session, tenant, line.id)


def test_a_cancelled_loop_takes_its_steps_with_it(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts)
    line.run(until="train")
    with database.transaction() as session:
        assert jobs.request_cancel(session, tenant, line.id, JobKind.LOOP).status == "cancelling"
    assert sweeper.cancel_steps(database, line.id) == 1
    assert line.job().status == line.step(1, "train").status == "cancelled"
    line.run()
    assert len(line.steps()) == 3


def test_a_step_without_a_result_ends_the_loop_and_says_which(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts)
    line.run(until="train")
    training = line.step(1, "train").id
    with database.transaction() as session:
        jobs.fail(session, jobs.lock(session, training), "bad_rows", "row 7 is bad")
    line.run()
    error = line.job().error or {}
    assert error["code"] == "step_failed"
    assert error["detail"] == f"training {training} (train of round 1) failed with bad_rows: row 7 is bad"


def test_a_base_model_that_cannot_be_measured_ends_a_loop_that_waits_for_candidates(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts, generator={"kind": "push"})
    line.run(until="evaluate")
    assert line.job().status == "running"
    line.fail_base()
    line.run()
    assert line.job().status == "failed"
    assert BASE_FAILED in (line.job().error or {})["detail"]
    with database.transaction() as session, pytest.raises(Conflict, match="does not wait"):
        loops.generated(session, line.id, 1, "pool", version=1, counts=Generated())


@pytest.mark.parametrize("spec", GENERATING, ids=["pool", "openai"])
@pytest.mark.parametrize("generation", ["waits", "stops", "hands over"])
def test_a_base_model_that_cannot_be_measured_ends_a_loop_that_generates(
    database: Database, tenant: str, artifacts: Artifacts, spec: dict[str, Any], generation: str
) -> None:
    line = Line(database, tenant, artifacts, **spec)
    line.look()
    claim = None if generation == "waits" else line.claim("generate")
    line.fail_base()
    line.look()
    assert line.job().status == "failed"
    assert BASE_FAILED in (line.job().error or {})["detail"]
    if claim is not None:
        with database.transaction() as session:
            assert shards.heartbeat(session, claim, rows_done=0).cancel_requested
            if generation == "stops":
                shards.stop(session, claim)
            else:  # it had made the last candidate when it was to stop: what is paid for is kept
                loops.generated(session, line.id, 1, line.pool_id, version=1, counts=Generated(candidates=4))
                shards.commit(session, claim, {})
    line.run()
    assert line.events().count("job.failed") == 1
    assert line.events()[-1] == ("round.generated" if generation == "hands over" else "job.failed")
    assert line.steps() == [(0, "evaluate")]
    with database.transaction() as session:
        assert sweeper.impossible(session) == []
        states = select(Shard.state).where(Shard.job_id == line.id, Shard.phase == "generate")
        assert session.scalars(states).all() == ["done" if generation == "hands over" else "cancelled"]


def test_a_base_model_that_fails_during_a_pause_ends_the_loop_when_it_resumes(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts, size=4)
    line.look()
    with database.transaction() as session:
        pauses.pause(session, tenant, line.id)
    line.fail_base()
    assert line.claim("ops") is None
    with database.transaction() as session:
        pauses.resume(session, tenant, line.id)
    line.look()  # although its generator waits again too
    assert line.job().status == "failed"
    assert line.claim("ops") is None


def test_candidates_that_run_out_end_a_loop_that_has_rounds(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts, rounds=9)
    while not any(number == 2 for number, _ in line.steps()):
        claim = next(filter(None, map(line.claim, QUEUES)))
        line.commit(claim)
    with database.transaction() as session:
        chosen = loop_steps.job_id(session, line.id, 2, "select")
        jobs.fail(session, jobs.lock(session, chosen), "too_few_usable", "only 1 of 9")
    line.run()
    result = line.job().result or {}
    assert (result["stop_reason"], result["rounds"]) == ("candidates_exhausted", 1)


def test_nothing_waits_of_a_loop_that_has_ended(
    database: Database, tenant: str, artifacts: Artifacts
) -> None:
    line = Line(database, tenant, artifacts, random_arm=True)
    line.run()
    with database.transaction() as session:
        assert sweeper.impossible(session) == []
        waiting = select(Job.id).where(Job.status.not_in(["completed"]))
        assert session.scalars(waiting).all() == []
