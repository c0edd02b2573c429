"""Shards as a state machine: whatever workers, users and the sweeper do, in any order, on a real PostgreSQL.

hypothesis chooses the order and shrinks what breaks; at its end a history passes the chaos suite's checker.
"""

from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, event, select, text
from sqlalchemy.orm import Session

from store.accounts import tenants
from store.artifacts import Artifacts
from store.errors import Conflict, LostLease
from store.jobs import claims, outbox, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.jobs.plans import ShardPlan
from store.session import Database
from store.tables.jobs import Event, Job, Outbox, Shard
from store.tables.states import TERMINAL, JobKind, JobStatus, ShardState
from store.upkeep import sweeper
from tests.chaos.breaking import breaker
from tests.chaos.history import Accepted, breaks

ATTEMPTS = 3
EXAMPLES = 12
STEPS = 30
PHASES = ("features", "transport")
QUEUES = ("features", "select")
LAPSE = "update shards set lease_until = now() - interval '1 second' where id = :id and state = 'running'"
AGE = "update jobs set created_at = created_at - interval '1 day' where id = :id"
GAPS = """
select job_id from events join jobs on jobs.id = job_id group by job_id, last_event
having (count(*), min(sequence), max(sequence)) <> (last_event, 1, last_event)
"""
NOT_HELD = "a write counted of a claim that holds nothing"
Settled = Callable[[Session], object]


class Workers(RuleBasedStateMachine):
    """The model is one table: which token holds which shard. Everything else is asked of the database."""

    database: Database
    home: Path

    job_ids = Bundle("job_ids")
    held = Bundle("held")
    """Claims whose workers have neither settled them nor lost them. One bundle of all claims was seen to fill
    with settled ones, on which nearly every step was then spent."""
    late = Bundle("late")
    """Claims that were lost, in which their workers go on to believe."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: dict[str, int] = {}
        with self.database.transaction() as session:
            for table in (Event, Shard, Job, Outbox):
                session.execute(delete(table))
            self.tenants = [tenants.ensure_tenant(session, name) for name in ("one", "two")]

    @initialize(target=held)
    def begin(self) -> "Claim | MultipleResults[Claim]":
        """Somebody works already: most rules need that, and would seldom be reached."""
        self.submit(tenant=0, count=2, priority=0)
        return self.claim(queue="features")

    @initialize(target=late, tenant=st.integers(0, 1), wakes_up=st.booleans())
    def begin_late(self, tenant: int, wakes_up: bool) -> "Claim | MultipleResults[Claim]":
        """Half of the orders begin with a late commit: many leave a rule out, this one too."""
        return self.wake_up_late(tenant) if wakes_up else multiple()

    @rule(target=job_ids, tenant=st.integers(0, 1), count=st.integers(1, 3), priority=st.integers(0, 1))
    def submit(self, tenant: int, count: int, priority: int) -> str:
        plans = [ShardPlan("features", index, 1) for index in range(count)]
        with self.database.transaction() as session:
            return jobs.create(
                session,
                tenant_id=self.tenants[tenant],
                kind=JobKind.SELECTION,
                request={},
                plans=plans,
                priority=priority,
            ).id

    @rule(target=held, queue=st.sampled_from(QUEUES))
    def claim(self, queue: str) -> "Claim | MultipleResults[Claim]":
        with self.database.transaction() as session:
            return self._took(claims.claim(session, Offer(queue, PHASES, "worker", 60.0)))

    @rule(target=held, claim=consumes(held), go_on=st.booleans())
    def commit(self, claim: Claim, go_on: bool) -> "Claim | MultipleResults[Claim]":
        result = {"hash": "right"} if claim.phase == "transport" else None
        following: list[Claim | None] = []

        def write(session: Session) -> None:
            following.append(shards.commit(session, claim, {"by": claim.token}, result, go_on=go_on))

        self._settle(claim, write)
        return self._took(following[0] if following else None)

    @rule(claim=held)
    def beat(self, claim: Claim) -> None:
        """The heartbeat, and what a worker does that hears of a cancel."""
        if self._renew(claim):
            self._settle(claim, lambda session: shards.stop(session, claim))

    def _renew(self, claim: Claim) -> bool:
        with self.database.transaction() as session:
            reply = shards.heartbeat(session, claim, rows_done=1)
        assert reply.ours == self._is_held(claim), NOT_HELD
        return reply.cancel_requested

    @rule(claim=consumes(held), how=st.sampled_from(("fault", "hand_back", "fail", "find_damaged")))
    def break_off(self, claim: Claim, how: str) -> None:
        getattr(self, f"_{how}")(claim)

    def _fault(self, claim: Claim) -> None:
        self._settle(
            claim,
            lambda session: shards.release(
                session, claim, "OSError", retry_delay_seconds=1e-6, max_attempts=ATTEMPTS
            ),
        )

    def _hand_back(self, claim: Claim) -> None:
        self._settle(claim, lambda session: shards.hand_back(session, claim))

    def _fail(self, claim: Claim) -> None:
        self._settle(claim, lambda session: shards.fail(session, claim, "bad_input", "no usable rows"))

    def _find_damaged(self, claim: Claim) -> None:
        if claim.phase != "transport":
            return
        with self.database.transaction() as session:
            first = shards.of_phase(session, claim.job_id, "features")[0].id
        self._settle(claim, lambda session: shards.reopen(session, claim, [first], max_attempts=ATTEMPTS))

    @rule(target=late, claim=consumes(held))
    def fall_silent(self, claim: Claim) -> Claim:
        """The lease runs out, and the sweeper sees it."""
        with self.database.transaction() as session:
            session.execute(text(LAPSE), {"id": claim.shard_id})
        lost = sweeper.take_back(self.database, max_attempts=ATTEMPTS)
        assert lost == (claim.shard_id in self.holds)
        self.holds.pop(claim.shard_id, None)
        return claim

    @rule(target=late, tenant=st.integers(0, 1))
    def wake_up_late(self, tenant: int) -> "Claim | MultipleResults[Claim]":
        """A worker takes a shard and falls silent, another comes, and the first one commits.

        Needs nothing that other steps have left: where it did, it came too seldom.
        """
        self.submit(tenant=tenant, count=1, priority=1)
        claim = self.claim(queue="features")
        if isinstance(claim, Claim):
            self.fall_silent(claim)
            self.claim(claim.offer.queue)
            self.commit(claim, go_on=False)
        return claim

    @rule(claim=late, how=st.sampled_from(("commit", "beat", "fault", "hand_back", "fail", "find_damaged")))
    def write_late(self, claim: Claim, how: str) -> None:
        """Whatever a worker writes that has lost its shard, long ago perhaps."""
        if how == "commit":
            self.commit(claim, go_on=True)
        elif how == "beat":
            self.beat(claim)
        else:
            self.break_off(claim, how)

    @rule(job_id=job_ids, how=st.sampled_from(("cancel", "be_late")))
    def end(self, job_id: str, how: str) -> None:
        getattr(self, f"_{how}")(job_id)

    def _cancel(self, job_id: str) -> None:
        with self.database.transaction() as session:
            job = session.get_one(Job, job_id)
            ended = job.status in TERMINAL
            try:
                jobs.request_cancel(session, job.tenant_id, job_id, JobKind.SELECTION)
            except Conflict:
                assert ended
            else:
                assert not ended

    def _be_late(self, job_id: str) -> None:
        with self.database.transaction() as session:
            session.execute(text(AGE), {"id": job_id})
        sweeper.expire(self.database, deadline_seconds=3600.0)

    @invariant()
    def rows_hold_together(self) -> None:
        with self.database.transaction() as session:
            assert sweeper.impossible(session) == []
            running = select(Shard.id, Shard.token).where(Shard.state == ShardState.RUNNING)
            assert {row.id: row.token for row in session.execute(running)} == self.holds
            assert session.execute(text(GAPS)).all() == []

    def teardown(self) -> None:
        """All workers die; one that does everything right comes, and all must end."""
        with self.database.transaction() as session:
            sweeper.expire_leases(session)
        sweeper.take_back(self.database, max_attempts=10 * ATTEMPTS)
        self.holds.clear()
        while any(self._one_more(queue) for queue in QUEUES):
            pass
        with self.database.transaction() as session:
            outbox.publish(session, lambda queue: None)
            ended = session.execute(select(Job.id, Job.status)).all()
        assert {status for _, status in ended} <= TERMINAL
        accepted = [
            Accepted(job_id, "right", cancelled=status == JobStatus.CANCELLED)
            for job_id, status in ended
            if status in (JobStatus.COMPLETED, JobStatus.CANCELLED)
        ]
        assert breaks(self.database, Artifacts(f"file://{self.home}"), accepted) == []

    def _one_more(self, queue: str) -> bool:
        claim = self.claim(queue)
        if isinstance(claim, Claim):
            self.commit(claim, go_on=False)
        return isinstance(claim, Claim)

    def _took(self, claim: Claim | None) -> "Claim | MultipleResults[Claim]":
        """Enter a claim into the model; a shard has one holder, and its tokens only grow."""
        if claim is None:
            return multiple()
        assert claim.shard_id not in self.holds
        self.holds[claim.shard_id] = claim.token
        return claim

    def _is_held(self, claim: Claim) -> bool:
        return self.holds.get(claim.shard_id) == claim.token

    def _settle(self, claim: Claim, write: Settled) -> None:
        """The fence: a write counts if and only if the model says that the claim holds the shard."""
        try:
            with self.database.transaction() as session:
                write(session)
        except LostLease:
            assert not self._is_held(claim)
        else:
            assert self._is_held(claim), NOT_HELD
            del self.holds[claim.shard_id]


def _try_orders(database: Database, home: Path, phases: Collection[Phase]) -> None:
    class Machine(Workers):
        pass

    Machine.database, Machine.home = database, home
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            phases=phases,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.timeout(120)
def test_whatever_happens_in_whatever_order_one_result_of_each_shard_counts(
    database: Database, tmp_path: Path
) -> None:
    _try_orders(database, tmp_path, list(Phase))


@pytest.mark.parametrize("guard", ["fence", "commit_token"])
def test_random_orders_find_a_missing_fence(database: Database, tmp_path: Path, guard: str) -> None:
    event.listen(database.engine, "before_cursor_execute", breaker(guard), retval=True)
    with pytest.raises(AssertionError, match=f"{NOT_HELD}|was committed by token"):
        _try_orders(database, tmp_path, [Phase.generate])


def test_the_machine_notices_a_worker_that_wakes_up_late(database: Database, tmp_path: Path) -> None:
    """One order of steps by hand, in which the shard does go to another."""
    Workers.database, Workers.home = database, tmp_path
    machine = Workers()
    machine.wake_up_late(tenant=0)
    machine.rows_hold_together()
    machine.teardown()
