"""Comparisons on a real PostgreSQL: the rows that workers leave, without their work."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.selections.responses import SelectionRequested
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifacts
from store.comparisons import advance as comparisons
from store.comparisons import steps as comparison_steps
from store.comparisons.plan import Key
from store.data import pools, targets
from store.data.pools import Counts
from store.errors import Conflict
from store.jobs import claims, plans, removal, shards, submissions
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.jobs.requests import ComparisonWork
from store.kit.ids import new_id
from store.loops import pauses
from store.records.record import parse_record
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Job
from store.tables.loops import LoopStep
from store.tables.states import JobKind
from store.upkeep import sweeper

SETTINGS = Settings()
QUOTA = StorageQuota.of(SETTINGS)
QUEUES = ("ops", "features", "select", "train")  # looks first


class Line:
    """A comparison and hands that do what its workers would."""

    def __init__(self, database: Database, tenant: str, folder: Path, *arms: str, **spec: Any) -> None:
        self.database, self.tenant = database, tenant
        self.picked: dict[str, str] = {}
        """By arm the digest of its rows, where it is not its own."""
        artifacts = Artifacts(f"file://{folder}/artifacts")
        with database.transaction() as session:
            examples = [parse_record({"prompt": f"{number}?", "completion": "x"}) for number in range(9)]
            kept, _ = targets.kept(session, artifacts, tenant, (examples, [None] * 9), quota=QUOTA)
            pool = pools.create(session, tenant)
            stored = artifacts.put_bytes("x", b"x", "")
            pools.append(session, pool, new_id("bat"), stored, counts=Counts(9, 9, 0, 0), quota=None)
            request = {
                "target_id": kept.id,
                "evaluation_target_id": kept.id,
                "pool_id": pool.id,
                "pool_version": 1,
                "base_model": "base",
                "measure": "answer_nll",
                "spec": {"k": 4, "arms": arms or ("random", "capacity"), "seeds": 1, "draws": 2, **spec},
            }
            work = ComparisonWork.model_validate(request)
            self.id = submissions.comparison(session, tenant, work, submissions.Label("mine")).id

    def claim(self, queue: str) -> Claim | None:
        with self.database.transaction() as session:
            return claims.claim(session, Offer(queue, tuple(plans.QUEUE), "w", 60.0))

    def commit(self, claim: Claim, **result: Any) -> None:
        with self.database.transaction() as session:
            if claim.phase == "compare":
                comparisons.advance(session, SETTINGS, claim.job_id)
            found = result or self._made(session, claim)
            if claim.phase == "judge":
                comparisons.judged(session, claim.job_id, found)
                found = {}
            shards.commit(session, claim, {}, found or None)

    def _made(self, session: Any, claim: Claim) -> dict[str, Any]:
        arm = session.get_one(Job, claim.job_id).user_metadata.get("arm", "")
        if claim.phase == "transport":
            digest = self.picked.get(arm, claim.job_id)
            picked = {"rows": 4, "tokens": 44, "sha256": digest}
            return {"picked": picked, "artifacts": {"items": {"path": "i", "sha256": "0", "rows": 4}}}
        if claim.phase == "train":
            return {"model_id": f"mdl_of_{claim.job_id}", "steps": 1}
        if claim.phase == "judge":
            steps = comparison_steps.jobs_by_key(session, self.id)
            state = comparison_steps.state(session, session.get_one(Job, self.id), steps)
            return {"evaluations": len(state.measured), "verdict": {"sentence": "so far"}}
        return {"answer_nll": 2.0} if claim.phase == "evaluate" else {}

    def look(self) -> None:
        """Make the look that waits."""
        claim = self.claim("ops")
        assert claim is not None
        self.commit(claim)

    def _next(self) -> Claim | None:
        with self.database.transaction() as session:
            offers = (Offer(queue, tuple(plans.QUEUE), "w", 60.0) for queue in QUEUES)
            return next(filter(None, (claims.claim(session, offer) for offer in offers)), None)

    def run(self, *, until: str | None = None) -> Claim | None:
        """Do all that waits; stop with the first shard of the phase `until` claimed."""
        while claim := self._next():
            if claim.phase == until:
                return claim
            self.commit(claim)
        return None

    def job(self) -> Job:
        with self.database.transaction() as session:
            return session.get_one(Job, self.id)

    def steps(self) -> dict[Key, Job]:
        with self.database.transaction() as session:
            return comparison_steps.jobs_by_key(session, self.id)

    def events(self) -> list[str]:
        with self.database.transaction() as session:
            rows = jobs.events(session, self.id)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        return [row.type for row in rows if not row.type.startswith("shard.")]


@pytest.fixture
def line(database: Database, tenant: str, tmp_path: Path) -> Line:
    return Line(database, tenant, tmp_path)


def test_every_arm_selects_is_trained_on_and_measured(
    database: Database, tenant: str, tmp_path: Path
) -> None:
    arms = ("random", "random_tokens", "capacity", "all")
    line = Line(database, tenant, tmp_path, *arms, seeds=2, draws=2, seed=7)
    line.run()
    assert line.job().status == "completed"
    assert (line.job().result or {})["stop_reason"] == "trained"
    steps = line.steps()
    measured = {key[:2] for key in steps if key.step == "evaluate"}
    assert measured == {(run, arm) for run in (1, 2) for arm in arms}
    drawn = [steps[Key(run, "random", "select")].request for run in (1, 2)]
    assert [request["seed"] for request in drawn] == [7, 8]
    assert {request["features"]["kind"] for request in drawn} == {"gradient"}
    matched = steps[Key(1, "random_tokens", "select")].request
    left_out = SelectionRequested.model_fields.keys() - matched.keys()
    assert left_out <= {"pinned", "tokens_from", "feature_files"}  # which may be null
    assert (matched["tokens"], matched["k"], matched["spec"]["method"]) == (44, None, "random")
    assert matched["seed"] not in (7, 8)
    chosen = steps[Key(0, "capacity", "select")]
    trained = [steps[Key(run, "capacity", "train")].request for run in (1, 2)]
    assert [(one["selection_id"], one["seed"]) for one in trained] == [(chosen.id, 7), (chosen.id, 8)]
    assert steps[Key(1, "all", "train")].request["pool_version"] == 1
    model = (steps[Key(2, "all", "train")].result or {})["model_id"]
    assert steps[Key(2, "all", "evaluate")].request["model"] == model
    assert line.events()[-1] == "job.completed"
    assert steps[Key(1, "all", "train")].user_metadata == {
        "comparison_id": line.id,
        "arm": "all",
        "run": "1",
        "step": "train",
    }


def test_looks_that_come_too_often_or_at_once_begin_nothing_twice(line: Line) -> None:
    line.run(until="train")
    before = line.steps()

    def look() -> None:
        with line.database.transaction() as session:
            comparisons.advance(session, SETTINGS, line.id)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert line.steps().keys() == before.keys()
    taken = LoopStep(
        loop_id=line.id, round=1, step="random.train", job_id=before[Key(0, "capacity", "select")].id
    )
    with pytest.raises(IntegrityError), line.database.transaction() as session:
        session.add(taken)


@pytest.mark.parametrize("phase", ["compare", "judge"])
def test_a_shard_of_the_comparison_that_dies_is_made_again(line: Line, phase: str) -> None:
    claim = line.run(until=phase)
    assert claim is not None
    with line.database.transaction() as session:
        session.execute(
            text("update shards set lease_until = now() - interval '1 second' where state = 'running'")
        )
    assert sweeper.take_back(line.database, max_attempts=5) == 1
    line.run()
    assert line.job().status == "completed"
    assert sorted(line.steps()) == sorted(
        [Key(run, "random", step) for run in (1, 2) for step in ("select", "train", "evaluate")]
        + [Key(0, "capacity", "select"), Key(1, "capacity", "train"), Key(1, "capacity", "evaluate")]
    )


def test_a_lost_promise_of_a_look_is_mended(line: Line) -> None:
    line.run(until="train")
    with line.database.transaction() as session:
        session.execute(text("update shards set state = 'done' where phase = 'train'"))
        result = 'update jobs set status = \'completed\', result = \'{"model_id": "mdl_x", "steps": 1}\''
        session.execute(text(f"{result} where kind = 'training'"))
    assert sweeper.mend_loops(line.database) == 1
    line.run()
    assert line.job().status == "completed"
    assert sweeper.mend_loops(line.database) == 0
    with line.database.transaction() as session:
        assert sweeper.impossible(session) == []


def test_a_pause_begins_nothing_and_a_resume_goes_on(line: Line) -> None:
    claim = line.run(until="train")
    assert claim is not None
    with line.database.transaction() as session:
        assert pauses.pause(session, line.tenant, line.id, JobKind.COMPARISON).status == "paused"
    line.commit(claim)
    line.run()
    assert not [key for key in line.steps() if key.step == "evaluate"]
    with line.database.transaction() as session:
        assert pauses.resume(session, line.tenant, line.id, JobKind.COMPARISON).status == "running"
    line.run()
    assert line.job().status == "completed"
    with pytest.raises(Conflict, match=r"comparison .* is completed"), line.database.transaction() as session:
        pauses.pause(session, line.tenant, line.id, JobKind.COMPARISON)


def test_a_verdict_that_a_pause_took_from_its_queue_is_made_after_it(line: Line) -> None:
    claim = line.run(until="judge")
    assert claim is not None
    with line.database.transaction() as session:
        shards.hand_back(session, claim)
        pauses.pause(session, line.tenant, line.id, JobKind.COMPARISON)
    line.run()
    assert line.job().result is None
    with line.database.transaction() as session:
        pauses.resume(session, line.tenant, line.id, JobKind.COMPARISON)
    line.run()
    assert (line.job().status, (line.job().result or {})["evaluations"]) == ("completed", 3)


def test_a_comparison_does_not_end_by_an_interim_verdict(line: Line) -> None:
    while claim := line.run(until="judge"):
        early = {"evaluations": 3, "verdict": {"sentence": "no verdict yet", "interim": True}}
        over = line.events().count("comparison.judged") > 1
        line.commit(claim, **({} if over else early))
    assert (line.job().status, (line.job().result or {})["verdict"]["sentence"]) == ("completed", "so far")
    assert line.events().count("comparison.judged") == 3


def test_a_cancel_takes_the_steps_along_and_drops_a_late_verdict(line: Line) -> None:
    claim = line.run(until="judge")
    assert claim is not None
    with line.database.transaction() as session:
        assert jobs.request_cancel(session, line.tenant, line.id, JobKind.COMPARISON).status == "cancelling"
    sweeper.cancel_steps(line.database, line.id)
    line.commit(claim)
    line.run()
    assert (line.job().status, line.job().result) == ("cancelled", None)
    with line.database.transaction() as session:
        again = submissions.again(session, line.tenant, line.id, JobKind.COMPARISON)
        assert again.request == line.job().request
        removal.remove(session, line.tenant, line.id, JobKind.COMPARISON)
    assert line.steps() == {}


def test_an_arm_that_falls_leaves_the_others_and_the_last_one_fails_with_its_fault(
    database: Database, tenant: str, tmp_path: Path
) -> None:
    line = Line(database, tenant, tmp_path, "random", "less", "capacity")
    first = line.run(until="train")
    assert first is not None  # of random, which goes on
    for _ in ("less", "capacity"):
        claim = line.claim("train")
        assert claim is not None
        with database.transaction() as session:
            shards.fail(session, claim, "loss_diverged", "the loss is nan")
        line.look()
        assert line.job().status == "running"
    line.commit(first)
    line.run()
    assert line.job().status == "failed"
    error = line.job().error or {}
    assert error["code"] == "step_failed"
    assert "(less.train of run 1) failed with loss_diverged: the loss is nan" in error["detail"]


def test_the_same_rows_are_said_and_nothing_is_trained(line: Line) -> None:
    line.picked = {"random": "x", "capacity": "x"}
    line.run()
    result = line.job().result or {}
    assert (line.job().status, result["stop_reason"]) == ("completed", "same_rows")
    assert [one["same_as"] for one in result["arms"]] == [None, "random"]
    assert not [key for key in line.steps() if key.step != "select"]


def test_time_that_is_up_before_anything_is_measured_fails_with_what_was_spent(
    database: Database, tenant: str, tmp_path: Path
) -> None:
    line = Line(database, tenant, tmp_path, minutes=1e-6)
    line.run()
    assert line.job().status == "failed"
    assert (line.job().error or {})["code"] == "budget_used_up"
