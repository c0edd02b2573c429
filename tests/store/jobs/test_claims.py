"""Whose turn it is, on a real PostgreSQL."""

import threading

from store.accounts import tenants
from store.jobs import claims, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim
from store.session import Database
from store.tables.states import JobKind
from tests.store.shard_jobs import finish, make_job, must_take, run, take


def test_a_shard_is_claimed_once(database: Database, tenant: str) -> None:
    make_job(database, tenant, 3)
    found: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: found.append(take(database))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [claim.shard_id for claim in found if claim is not None]
    assert len(taken) == len(set(taken)) == 3


def test_tenants_take_turns(database: Database, tenant: str) -> None:
    with database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
    flood = make_job(database, tenant, 500)
    assert must_take(database).job_id == flood
    small = make_job(database, other, 2)
    assert [must_take(database).job_id for _ in range(5)] == [small, flood, small, flood, flood]


def test_priority_orders_a_tenants_own_jobs_and_nobody_elses(database: Database, tenant: str) -> None:
    with database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
    low, high = make_job(database, tenant, 2), make_job(database, tenant, 2, priority=5)
    theirs = make_job(database, other, 2)
    order = [must_take(database).job_id for _ in range(6)]
    assert [job_id for job_id in order if job_id != theirs] == [high, high, low, low]
    assert order.index(theirs) < 2


def test_a_worker_goes_on_with_a_job_as_long_as_it_is_its_turn(database: Database, tenant: str) -> None:
    with database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
    flood = make_job(database, tenant, 4)
    first = must_take(database)
    second = finish(database, first, go_on=True)
    assert second is not None
    assert (second.job_id, second.token, second.payload) == (flood, 1, {"start": 10})
    small = make_job(database, other, 1)
    assert finish(database, second, go_on=True) is None
    theirs = must_take(database)
    assert theirs.job_id == small
    assert finish(database, theirs, go_on=True) is None
    urgent = make_job(database, tenant, 1, priority=5)
    third = must_take(database)
    assert third.job_id == urgent
    assert finish(database, third, go_on=True) is None
    with database.transaction() as session:
        assert [event.sequence for event in jobs.events(session, flood)] == list(range(1, 7))


def others_wait(database: Database, claim: Claim, waited: float = 0.0) -> bool:
    with database.transaction() as session:
        return claims.others_wait(session, claim, waited)


def test_who_gives_way_comes_after_all_others(database: Database, tenant: str) -> None:
    with database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
    long = make_job(database, tenant, 1)
    held = must_take(database)
    make_job(database, tenant, 1)
    assert not others_wait(database, held)  # one's own is no other
    theirs = make_job(database, other, 2)
    assert not others_wait(database, held, waited=3600.0)
    assert others_wait(database, held)
    assert must_take(database).job_id == theirs  # by another worker: now they were served last
    with database.transaction() as session:
        shards.give_way(session, held)
    assert [must_take(database).job_id for _ in range(2)] == [theirs, long]
    with database.transaction() as session:
        (released,) = [one for one in jobs.events(session, long) if one.type == "shard.released"]
        assert "others wait" in released.data["reason"]
        assert sum(row.deaths + row.faults for row in shards.of_phase(session, long, "features")) == 0


def test_an_urgent_job_of_ones_own_is_waited_for(database: Database, tenant: str) -> None:
    make_job(database, tenant, 1)
    held = must_take(database)
    urgent = make_job(database, tenant, 1, priority=1)
    assert others_wait(database, held)
    with database.transaction() as session:
        shards.give_way(session, held)
    assert must_take(database).job_id == urgent


def test_a_worker_does_not_go_on_with_a_job_that_is_to_stop(database: Database, tenant: str) -> None:
    job_id = make_job(database, tenant, 3)
    claim = must_take(database)
    with database.transaction() as session:
        jobs.request_cancel(session, tenant, job_id, JobKind.SELECTION)
    run(database, "update shards set state = 'ready' where state = 'cancelled'")
    assert finish(database, claim, go_on=True) is None


def test_what_this_release_does_not_know_is_left_to_a_later_one(database: Database, tenant: str) -> None:
    make_job(database, tenant, 1)
    run(database, f"update shards set version = {plans.PAYLOAD_VERSION + 1}")
    assert take(database) is None
    with database.transaction() as session:
        assert shards.too_new(session) == {"features": 1}
    run(database, "update shards set version = 1, phase = 'unheard_of'")
    assert take(database) is None
    run(database, "update shards set phase = 'features'")
    finish(database, must_take(database))


def test_a_poller_takes_only_what_rings_left_lying(database: Database, tenant: str) -> None:
    make_job(database, tenant, 1)
    assert take(database, waited=5) is None
    run(database, "update shards set available_at = now() - interval '6 seconds'")
    assert take(database, waited=5) is not None
