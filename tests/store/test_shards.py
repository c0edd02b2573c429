"""Claims, fences, barriers and sweeps on a real PostgreSQL."""

import threading
from typing import Any

import pytest
from sqlalchemy import func, select, text

from store import jobs, outbox, shards, sweeper
from store.errors import Conflict, LostLease
from store.models import Event, Job, Outbox, Shard
from store.plans import ShardPlan
from store.session import Database
from store.shards import Claim
from store.states import JobKind, JobStatus, ShardState


def make_job(database: Database, tenant: str, shards_wanted: int = 2) -> str:
    plans = [ShardPlan("features", i, 10, {"start": 10 * i}) for i in range(shards_wanted)]
    with database.transaction() as session:
        return jobs.create(
            session, tenant_id=tenant, kind=JobKind.SELECTION, request={"k": 1}, plans=plans
        ).id


def shard_ids(database: Database, job_id: str, phase: str = "features") -> list[str]:
    with database.transaction() as session:
        return [shard.id for shard in shards.of_phase(session, job_id, phase)]


def take(database: Database, shard_id: str, worker: str = "w", lease: float = 60.0) -> Claim | None:
    with database.transaction() as session:
        return shards.claim(session, shard_id, worker=worker, lease=lease, max_attempts=3)


def must_take(database: Database, shard_id: str, **more: Any) -> Claim:
    claim = take(database, shard_id, **more)
    assert claim is not None
    return claim


def expire(database: Database, shard_id: str) -> None:
    with database.transaction() as session:
        session.execute(
            text("update shards set lease_until = now() - interval '1 second' where id = :id"),
            {"id": shard_id},
        )


def finish(database: Database, claim: Claim, job_result: dict[str, Any] | None = None) -> None:
    with database.transaction() as session:
        shards.commit(session, claim, {"by": claim.token}, job_result)


def status(database: Database, job_id: str) -> str:
    with database.transaction() as session:
        return session.scalar(select(Job.status).where(Job.id == job_id)) or ""


def test_a_job_is_stored_with_its_shards_event_and_messages(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant, 3)
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Outbox)) == 3
        assert [event.type for event in jobs.events(session, job_id)] == ["job.queued"]


def test_a_failed_creation_leaves_nothing(database: Database, tenant: str) -> None:
    plan = ShardPlan("features", 0, 1)
    with pytest.raises(Exception, match="shards_job_id_phase_index_key"), database.transaction() as session:
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=[plan, plan])
    with database.transaction() as session:
        assert [session.scalar(select(func.count()).select_from(t)) for t in (Job, Shard, Outbox, Event)] == [
            0
        ] * 4


def test_a_shard_is_claimed_once(database: Database, tenant: str) -> None:
    shard_id = shard_ids(database, make_job(database, tenant))[0]
    claims: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: claims.append(take(database, shard_id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claim is not None for claim in claims) == 1


def test_an_expired_lease_is_taken_over_and_the_old_token_is_fenced(database: Database, tenant: str) -> None:
    shard_id = shard_ids(database, make_job(database, tenant))[0]
    first = must_take(database, shard_id, worker="slow")
    assert take(database, shard_id) is None
    expire(database, shard_id)
    second = must_take(database, shard_id, worker="fast")
    assert (second.token, second.attempt) == (first.token + 1, first.attempt + 1)
    with pytest.raises(LostLease):
        finish(database, first)
    with database.transaction() as session:
        assert not shards.heartbeat(session, first, lease=60, rows_done=0).ours
        assert shards.heartbeat(session, second, lease=60, rows_done=4).ours
    finish(database, second)
    with pytest.raises(LostLease):
        finish(database, second)
    with database.transaction() as session:
        assert session.scalar(select(Shard.result).where(Shard.id == shard_id)) == {"by": second.token}


def test_only_the_last_finisher_starts_the_next_phase(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant, 4)
    claims = [must_take(database, shard_id) for shard_id in shard_ids(database, job_id)]
    threads = [threading.Thread(target=finish, args=(database, claim)) for claim in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (transport,) = shard_ids(database, job_id, "transport")
    finish(database, must_take(database, transport), {"selected": 1})
    assert status(database, job_id) == JobStatus.COMPLETED
    with database.transaction() as session:
        sequence = [event.sequence for event in jobs.events(session, job_id)]
    assert sequence == list(range(1, len(sequence) + 1))


def test_damaged_results_are_made_again_before_the_phase_that_needs_them(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant, 2)
    first, second = shard_ids(database, job_id)
    for shard_id in (first, second):
        finish(database, must_take(database, shard_id))
    claim = must_take(database, shard_ids(database, job_id, "transport")[0])
    with database.transaction() as session:
        shards.reopen(session, claim, [second])
    assert shard_ids(database, job_id, "transport") == []
    with pytest.raises(LostLease):
        finish(database, claim)
    again = must_take(database, second)
    assert again.attempt == 2
    finish(database, again)
    finish(database, must_take(database, shard_ids(database, job_id, "transport")[0]), {"selected": 1})
    assert status(database, job_id) == JobStatus.COMPLETED


def test_a_poison_shard_fails_its_job_with_the_last_fault(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant)
    shard_id = shard_ids(database, job_id)[0]
    for _ in range(2):
        must_take(database, shard_id)
        expire(database, shard_id)
    claim = must_take(database, shard_id)
    with database.transaction() as session:
        shards.release(session, claim, "OSError: disk full")
    assert take(database, shard_id) is None
    with database.transaction() as session:
        job = session.get(Job, job_id)
        assert job is not None
        assert job.error is not None
        assert job.error["code"] == "shard_poisoned"
        assert (
            "tried 3 times and its worker was lost 2 times (last fault: OSError: disk full)"
            in job.error["detail"]
        )


def test_cancel_stops_waiting_shards_at_once_and_running_ones_by_their_pulse(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant)
    first, second = shard_ids(database, job_id)
    claim = must_take(database, first)
    with database.transaction() as session:
        assert jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION).status == JobStatus.CANCELLING
        assert jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION).status == JobStatus.CANCELLING
    assert take(database, second) is None
    with database.transaction() as session:
        assert shards.heartbeat(session, claim, lease=60, rows_done=0).cancel_requested
        shards.stop(session, claim)
    assert status(database, job_id) == JobStatus.CANCELLED
    with database.transaction() as session, pytest.raises(Conflict, match="already cancelled"):
        jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION)


def test_a_cancelling_job_whose_worker_died_is_settled_by_the_sweeper(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant)
    shard_id = shard_ids(database, job_id)[0]
    must_take(database, shard_id)
    with database.transaction() as session:
        jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION)
        assert sweeper.settle_cancelling(session) == 0
    expire(database, shard_id)
    with database.transaction() as session:
        assert sweeper.settle_cancelling(session) == 1
    assert status(database, job_id) == JobStatus.CANCELLED


def test_the_sweeper_rings_for_lost_shards_and_only_for_those(database: Database, tenant: str) -> None:
    lost, held = shard_ids(database, make_job(database, tenant))
    must_take(database, lost)
    must_take(database, held)
    expire(database, lost)
    with database.transaction() as session:
        session.execute(text("delete from outbox"))
        session.execute(text("update shards set kicked_at = now() - interval '2 seconds'"))
        assert sweeper.sweep(session, rekick=30, quiet=["features"]) == 1
        assert session.scalars(select(Outbox.shard_id)).all() == [lost]


def test_a_waiting_shard_is_rung_for_only_where_no_message_waits(database: Database, tenant: str) -> None:
    make_job(database, tenant, 2)
    with database.transaction() as session:
        session.execute(text("update shards set kicked_at = now() - interval '31 seconds'"))
        assert sweeper.sweep(session, rekick=30, quiet=["train"]) == 0
        assert sweeper.sweep(session, rekick=30, quiet=["features"]) == 2
        assert sweeper.sweep(session, rekick=30, quiet=["features"]) == 0


def test_a_message_that_could_not_be_sent_is_sent_later(database: Database, tenant: str) -> None:
    make_job(database, tenant, 3)
    sent: list[tuple[str, str]] = []

    def broken(queue: str, phase: str, shard_id: str) -> None:
        raise ConnectionError("broker down")

    with pytest.raises(ConnectionError), database.transaction() as session:
        outbox.publish(session, broken)
    with database.transaction() as session:
        assert outbox.publish(session, lambda queue, phase, shard_id: sent.append((queue, phase))) == 3
    with database.transaction() as session:
        assert outbox.publish(session, lambda *_: pytest.fail("sent twice")) == 0
    assert sent == [("features", "features")] * 3


def test_a_finished_sibling_of_a_failed_shard_does_not_revive_the_job(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant)
    bad, good = (must_take(database, shard_id) for shard_id in shard_ids(database, job_id))
    with database.transaction() as session:
        shards.fail(session, bad, "bad_input", "no usable rows")
        assert shards.heartbeat(session, good, lease=60, rows_done=1).cancel_requested
    finish(database, good)
    assert status(database, job_id) == JobStatus.FAILED
    with database.transaction() as session:
        states = {shard.state for shard in shards.of_phase(session, job_id, "features")}
    assert states == {ShardState.FAILED, ShardState.DONE}
