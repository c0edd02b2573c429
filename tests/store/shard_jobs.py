"""Jobs and shards for tests of claims and fences: one line for each thing that happens to them."""

from typing import Any

from sqlalchemy import select, text

from store.jobs import claims, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.jobs.plans import ShardPlan
from store.session import Database
from store.tables.jobs import Job
from store.tables.states import JobKind
from store.upkeep import sweeper

ATTEMPTS = 3


def make_job(database: Database, tenant: str, shards_wanted: int = 2, priority: int = 0) -> str:
    plans = [ShardPlan("features", i, 10, {"start": 10 * i}) for i in range(shards_wanted)]
    with database.transaction() as session:
        return jobs.create(
            session,
            tenant_id=tenant,
            kind=JobKind.SELECTION,
            request={"k": 1},
            plans=plans,
            priority=priority,
        ).id


def shard_ids(database: Database, job_id: str, phase: str = "features") -> list[str]:
    with database.transaction() as session:
        return [shard.id for shard in shards.of_phase(session, job_id, phase)]


def take(
    database: Database, queue: str = "features", worker: str = "w", lease: float = 60.0, waited: float = 0.0
) -> Claim | None:
    with database.transaction() as session:
        return claims.claim(session, Offer(queue, ("features", "transport"), worker, lease, waited))


def must_take(database: Database, queue: str = "features", **more: Any) -> Claim:
    claim = take(database, queue, **more)
    assert claim is not None
    return claim


def expire(database: Database, shard_id: str) -> None:
    """The lease runs out, and the sweeper sees it."""
    run(database, "update shards set lease_until = now() - interval '1 second' where id = :id", id=shard_id)
    assert sweeper.take_back(database, max_attempts=ATTEMPTS) == 1


def run(database: Database, statement: str, **values: Any) -> None:
    with database.transaction() as session:
        session.execute(text(statement), values)


def release(database: Database, claim: Claim, reason: str, retry_delay_seconds: float = 1e-6) -> None:
    with database.transaction() as session:
        shards.release(session, claim, reason, retry_delay_seconds=retry_delay_seconds, max_attempts=ATTEMPTS)


def finish(
    database: Database, claim: Claim, job_result: dict[str, Any] | None = None, *, go_on: bool = False
) -> Claim | None:
    with database.transaction() as session:
        return shards.commit(session, claim, {"by": claim.token}, job_result, go_on=go_on)


def status(database: Database, job_id: str) -> str:
    with database.transaction() as session:
        return session.scalar(select(Job.status).where(Job.id == job_id)) or ""
