"""Fences, barriers, cancels and sweeps on a real PostgreSQL."""

import threading

import pytest
from sqlalchemy import func, select, text

from store.errors import Conflict, LostLease
from store.jobs import lifecycle as jobs
from store.jobs import outbox, shards
from store.jobs.plans import ShardPlan
from store.session import Database
from store.tables.jobs import Event, Job, Outbox, Shard
from store.tables.states import JobKind, JobStatus, ShardState
from store.upkeep import sweeper
from tests.store.shard_jobs import (
    ATTEMPTS,
    expire,
    finish,
    make_job,
    must_take,
    release,
    run,
    shard_ids,
    status,
    take,
)


def test_a_job_is_stored_with_its_shards_event_and_rings(database: Database, tenant: str) -> None:
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


def test_a_lost_shard_is_taken_over_and_the_old_token_is_fenced(database: Database, tenant: str) -> None:
    shard_id = shard_ids(database, make_job(database, tenant, 1))[0]
    first = must_take(database, worker="slow")
    assert take(database) is None
    expire(database, shard_id)
    second = must_take(database, worker="fast")
    assert second.token > first.token
    assert second.attempt == first.attempt + 1
    with pytest.raises(LostLease):
        finish(database, first)
    with database.transaction() as session:
        assert not shards.heartbeat(session, first, rows_done=0).ours
        assert shards.heartbeat(session, second, rows_done=4).ours
    finish(database, second)
    with pytest.raises(LostLease):
        finish(database, second)
    with database.transaction() as session:
        assert session.scalar(select(Shard.result).where(Shard.id == shard_id)) == {"by": second.token}


def test_only_the_last_finisher_starts_the_next_phase(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant, 4)
    claims = [must_take(database) for _ in range(4)]
    threads = [threading.Thread(target=finish, args=(database, claim)) for claim in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish(database, must_take(database, "select"), {"selected": 1})
    assert status(database, job_id) == JobStatus.COMPLETED
    with database.transaction() as session:
        sequence = [event.sequence for event in jobs.events(session, job_id)]
    assert sequence == list(range(1, len(sequence) + 1))


def test_damaged_results_are_made_again_before_the_phase_that_needs_them(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant, 2)
    _, second = shard_ids(database, job_id)
    for _ in range(2):
        finish(database, must_take(database))
    claim = must_take(database, "select")
    with database.transaction() as session:
        shards.reopen(session, claim, [second], max_attempts=ATTEMPTS)
    assert shard_ids(database, job_id, "transport") == []
    with pytest.raises(LostLease):
        finish(database, claim)
    again = must_take(database)
    assert (again.shard_id, again.attempt) == (second, 2)
    finish(database, again)
    finish(database, must_take(database, "select"), {"selected": 1})
    assert status(database, job_id) == JobStatus.COMPLETED


def test_a_poison_shard_fails_its_job_with_the_last_fault(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant, 1)
    for _ in range(2):
        expire(database, must_take(database).shard_id)
    release(database, must_take(database), "OSError: disk full")
    assert take(database) is None
    with database.transaction() as session:
        job = session.get(Job, job_id)
        assert job is not None
        assert job.error is not None
        assert job.error["code"] == "shard_poisoned"
        said = "failed 1 times and its worker was lost 2 times (last fault: OSError: disk full)"
        assert said in job.error["detail"]


def partial_job(database: Database, tenant: str, role: str, **features: object) -> str:
    plans = [ShardPlan("features", index, 10, {"role": role}) for index in range(2)]
    names = {"target_id": "tgt_1", "pool_id": "pool_1", "pool_version": 1, "k": 1, "model": "base"}
    request = {**names, "features": {"allow_partial": True, **features}, "spec": {}}
    with database.transaction() as session:
        return jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=request, plans=plans).id


@pytest.mark.parametrize("last", [False, True])
def test_candidates_of_a_poison_shard_are_left_out_where_that_is_allowed(
    database: Database, tenant: str, last: bool
) -> None:
    job_id = partial_job(database, tenant, "pool")
    bad, good = must_take(database), must_take(database)
    if last:
        finish(database, good)
    for attempt in range(ATTEMPTS):
        release(database, bad if attempt == 0 else must_take(database), "OSError: disk full")
    if not last:
        assert take(database, "select") is None
        finish(database, good)
    with database.transaction() as session:
        assert sweeper.impossible(session) == []
        (left_out,) = [e.data for e in jobs.events(session, job_id) if e.type == "shard.left_out"]
    assert "failed 3 times" in left_out["reason"]
    finish(database, must_take(database, "select"), {"selected": 1})
    assert status(database, job_id) == JobStatus.COMPLETED


@pytest.mark.parametrize(("role", "features"), [("target", {}), ("pool", {"dim": 2**40})])
def test_targets_and_shards_of_jobs_that_cannot_go_on_are_never_left_out(
    database: Database, tenant: str, role: str, features: dict[str, int]
) -> None:
    job_id = partial_job(database, tenant, role, **features)
    for _ in range(ATTEMPTS):
        release(database, must_take(database), "OSError: disk full")
    assert status(database, job_id) == JobStatus.FAILED


def test_a_passing_fault_waits_longer_each_time(database: Database, tenant: str) -> None:
    make_job(database, tenant, 1)
    waits = []
    for _ in range(2):
        release(database, must_take(database), "OSError: disk full", retry_delay_seconds=60)
        assert take(database) is None
        with database.transaction() as session:
            waits.append(session.scalar(text("select extract(epoch from available_at - now()) from shards")))
        run(database, "update shards set available_at = now()")
    assert [round(float(wait)) for wait in waits] == [60, 120]


def test_a_shard_that_a_leaving_worker_gives_back_counts_no_fault(database: Database, tenant: str) -> None:
    make_job(database, tenant, 1)
    for attempt in range(1, 3 * ATTEMPTS):
        claim = must_take(database)
        assert claim.attempt == attempt
        with database.transaction() as session:
            shards.hand_back(session, claim)
    finish(database, must_take(database))


def test_cancel_stops_waiting_shards_at_once_and_running_ones_by_their_pulse(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant)
    claim = must_take(database)
    with database.transaction() as session:
        assert jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION).status == JobStatus.CANCELLING
        assert jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION).status == JobStatus.CANCELLING
    assert take(database) is None
    with database.transaction() as session:
        assert shards.heartbeat(session, claim, rows_done=0).cancel_requested
        shards.stop(session, claim)
    assert status(database, job_id) == JobStatus.CANCELLED
    with database.transaction() as session, pytest.raises(Conflict, match="already cancelled"):
        jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION)


@pytest.mark.parametrize("ending", ["expire", "release", "hand_back"])
def test_a_shard_of_a_cancelled_job_never_waits_again(database: Database, tenant: str, ending: str) -> None:
    job_id = make_job(database, tenant)
    claim = must_take(database)
    with database.transaction() as session:
        jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION)
    assert status(database, job_id) == JobStatus.CANCELLING
    if ending == "expire":
        expire(database, claim.shard_id)
    elif ending == "release":
        release(database, claim, "OSError: disk full")
    else:
        with database.transaction() as session:
            shards.hand_back(session, claim)
    assert status(database, job_id) == JobStatus.CANCELLED
    assert take(database) is None


def test_a_job_that_takes_too_long_expires(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant)
    claim = must_take(database)
    assert sweeper.expire(database, deadline_seconds=3600) == 0
    run(database, "update jobs set created_at = created_at - interval '2 hours'")
    assert sweeper.expire(database, deadline_seconds=3600) == 1
    assert status(database, job_id) == JobStatus.EXPIRED
    assert take(database) is None
    with database.transaction() as session:
        assert shards.heartbeat(session, claim, rows_done=0).cancel_requested
        shards.stop(session, claim)
        assert sweeper.impossible(session) == []


def test_a_queue_is_rung_again_only_for_what_waits_long_and_not_all_the_time(
    database: Database, tenant: str
) -> None:
    make_job(database, tenant, 2)
    with database.transaction() as session:
        assert sweeper.notify_again(session, 30) == []
    run(database, "update shards set available_at = now() - interval '31 seconds'")
    with database.transaction() as session:
        assert sweeper.notify_again(session, 30) == ["features"]
        assert sweeper.notify_again(session, 30) == []


def test_one_of_many_does_a_chore(database: Database) -> None:
    chosen: list[bool] = []

    def ask() -> None:
        with database.transaction() as session:
            chosen.append(sweeper.due(session, "sweep", 60))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(chosen) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("update shards set state = 'done'", "is queued but nothing of it waits or runs"),
        ("update jobs set status = 'completed'", "is completed but its shard"),
        ("update jobs set status = 'asleep'", "unknown status asleep"),
        ("update shards set state = 'lost'", "unknown state lost"),
        ("update shards set state = 'running'", "runs without a lease"),
        ("delete from turns", "which knows no turn of tenant"),
    ],
)
def test_rows_edited_by_hand_are_reported(database: Database, tenant: str, damage: str, finding: str) -> None:
    make_job(database, tenant, 1)
    with database.transaction() as session:
        assert sweeper.impossible(session) == []
    run(database, damage)
    with database.transaction() as session:
        assert any(finding in sentence for sentence in sweeper.impossible(session))
    take(database)  # must not spin


def test_rings_that_could_not_be_sent_are_sent_later_and_never_pile_up(
    database: Database, tenant: str
) -> None:
    make_job(database, tenant, 200)
    sent: list[str] = []

    def broken(queue: str) -> None:
        raise ConnectionError("broker down")

    with pytest.raises(ConnectionError), database.transaction() as session:
        outbox.publish(session, broken)
    with database.transaction() as session:
        assert outbox.publish(session, sent.append) == outbox.MOST_NOTIFICATIONS
    with database.transaction() as session:
        assert outbox.publish(session, lambda _: pytest.fail("sent twice")) == 0
    assert sent == ["features"] * outbox.MOST_NOTIFICATIONS


def test_a_finished_sibling_of_a_failed_shard_does_not_revive_the_job(
    database: Database, tenant: str
) -> None:
    job_id = make_job(database, tenant)
    bad, good = must_take(database), must_take(database)
    with database.transaction() as session:
        shards.fail(session, bad, "bad_input", "no usable rows")
        assert shards.heartbeat(session, good, rows_done=1).cancel_requested
    finish(database, good)
    assert status(database, job_id) == JobStatus.FAILED
    with database.transaction() as session:
        states = {shard.state for shard in shards.of_phase(session, job_id, "features")}
    assert states == {ShardState.FAILED, ShardState.DONE}
