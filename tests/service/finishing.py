"""A worker's part, done by the store's own functions."""

from datetime import timedelta
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import func, update

from store.jobs import claims, plans, shards
from store.jobs.claims import Offer
from store.tables.jobs import Shard
from tests.live import Api


def finish(api: Api, job_id: str, result: dict[str, Any]) -> None:
    """Claim and commit all shards of a selection, which ends with the result."""
    plain = to_jsonable_python(result)
    with api.database.transaction() as session:
        later = func.clock_timestamp() + timedelta(days=1)  # claims are fair, and this job is to be next
        session.execute(update(Shard).where(Shard.job_id != job_id).values(available_at=later))
        session.execute(
            update(Shard).where(Shard.job_id == job_id).values(available_at=func.clock_timestamp())
        )
        for phase in ("features", "transport"):
            for _ in shards.of_phase(session, job_id, phase):
                queue = plans.QUEUE[phase]
                claim = claims.claim(session, Offer(queue, (phase,), "test", 60))
                assert claim is not None
                assert claim.job_id == job_id
                shards.commit(session, claim, {}, plain if phase == "transport" else None)
