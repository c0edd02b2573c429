"""The checker itself: a history with each kind of break is named, one without any is not."""

from pathlib import Path

import pytest
from sqlalchemy import text

from store.artifacts import Artifacts
from store.jobs import claims, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Offer
from store.jobs.plans import ShardPlan
from store.session import Database
from store.tables.states import JobKind
from tests.chaos.history import Accepted, breaks


def completed_job(database: Database, tenant: str) -> str:
    with database.transaction() as session:
        plans = [ShardPlan("features", index, 1) for index in range(2)]
        job_id = jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request={}, plans=plans).id
        for queue, phase in (("features", "features"), ("features", "features"), ("select", "transport")):
            claim = claims.claim(session, Offer(queue, (phase,), "w", 60))
            assert claim is not None
            shards.commit(session, claim, {}, {"hash": "right"} if phase == "transport" else None)
        session.execute(text("delete from outbox"))
    return job_id


CORRUPTIONS = {
    "update jobs set status = 'running'": "ended as running",
    'update jobs set result = \'{"hash": "wrong"}\'': "another result than the serial run",
    "delete from events where sequence = 3": "a gap in its events",
    "update events set data = data || '{\"token\": 7}' where type = 'shard.done'": "was committed by token 7",
    "update events set data = data || '{\"token\": 0}' where type = 'shard.claimed'": "token 0 of shard",
    "update events set type = 'shard.lost' where type = 'shard.done'": "with 0 accepted commits",
    "insert into outbox (queue) values ('features')": "were never sent",
    "update shards set state = 'ready' where index = 1": "its shard ('features', 1) is ready",
    "insert into feature_blocks (tenant_id, key, rows, artifact, sha256) "
    "select id, 'k', 1, 'gone', 'x' from tenants": "artifact gone is missing",
}


def test_a_good_history_has_no_breaks(database: Database, tenant: str, tmp_path: Path) -> None:
    job_id = completed_job(database, tenant)
    artifacts = Artifacts(f"file://{tmp_path}")
    artifacts.put_bytes("stray", b"left by a killed worker", ".bin")
    assert breaks(database, artifacts, [Accepted(job_id, "right")]) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_kind_of_break_is_named(
    database: Database, tenant: str, tmp_path: Path, corruption: str
) -> None:
    job_id = completed_job(database, tenant)
    with database.transaction() as session:
        session.connection().exec_driver_sql(corruption)
    found = breaks(database, Artifacts(f"file://{tmp_path}"), [Accepted(job_id, "right")])
    assert any(CORRUPTIONS[corruption] in sentence for sentence in found), found
