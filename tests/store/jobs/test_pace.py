"""How fast features go, on a real PostgreSQL: by what shards of the same model and kind took."""

import pytest

from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store.jobs import lifecycle as jobs
from store.jobs import pace, shards
from store.jobs.plans import ShardPlan
from store.jobs.requests import SelectionWork
from store.session import Database
from store.settings import Settings
from store.tables.states import JobKind
from tests.store.shard_jobs import must_take


def asked(**features: str) -> SelectionWork:
    return SelectionWork(
        target_id="tgt_1",
        pool_id="pool_1",
        pool_version=1,
        k=1,
        spec=SelectionSpec(),
        features=FeatureSpec.model_validate(features),
        model="base",
    )


def measured(database: Database, tenant: str, work: SelectionWork, seconds: float) -> None:
    """A shard of 64 rows that took so long."""
    plans = [ShardPlan("features", 0, 64, {})]
    with database.transaction() as session:
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=work.stored(), plans=plans)
    claim = must_take(database)
    with database.transaction() as session:
        shards.commit(session, claim, {"pace": {"rows": 64, "seconds": seconds}})


def test_each_kind_of_features_has_a_pace_of_its_own(database: Database, tenant: str) -> None:
    gradients, states = asked(), asked(kind="hidden")
    settings = Settings()

    def paces() -> list[float | None]:
        with database.transaction() as session:
            return [pace.seconds_per_row(session, tenant, work) for work in (gradients, states)]

    measured(database, tenant, gradients, 12.8)
    assert paces() == [pytest.approx(0.2), None]
    measured(database, tenant, states, 3.2)
    assert paces() == [pytest.approx(0.2), pytest.approx(0.05)]
    with database.transaction() as session:
        rows = [pace.shard_rows(session, tenant, work, settings) for work in (gradients, states)]
        elsewhere = pace.shard_rows(session, "ten_other", states, settings)
    window = settings.window_rows
    assert rows == [max(1, round(300 / window)) * window, max(1, round(1200 / window)) * window]
    assert elsewhere == settings.shard_rows
