"""A pool of computed features, read from a file in place of a model: so their seconds are not told."""

from collections.abc import Sequence

import numpy as np

from benchmarks.fleet import data
from store.accounts import tenants
from store.data.sources import Source
from store.jobs import lifecycle as jobs
from store.jobs import plans
from store.jobs.results import FeaturesResult
from store.records import record as records
from store.records.record import Record
from store.tables.states import JobKind
from tests.workers.selections.computing import left
from workers.context import Context
from workers.features.block import FeatureBlock
from workers.process.work import Outcome, Work

SHARD = 25_000  # rows


def begun(context: Context, rows: int) -> str:
    """The selection, as it is accepted."""
    sources = []
    for role, count in (("target", data.M), ("pool", rows)):
        stored = data.records(context.artifacts, role, count)
        sources.append(Source(role, stored.path, stored.sha256, count))
    parts = plans.feature_shards(sources, SHARD)
    request = {"target_id": "t", "pool_id": "p", "pool_version": 0, "features": {}, "spec": {}}
    request |= {"exclude_selection_ids": [], "k": data.K, "model": "none", "seed": 0}
    with context.database.transaction() as session:
        tenant = tenants.ensure_tenant(session, "fleet")
        made = jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=request, plans=parts)
        return made.id


def run(work: Work) -> Outcome:
    """Phase `features`: rows of the file in place of a model's."""
    part, artifacts = plans.FeaturePart.model_validate(work.claim.payload), work.context.artifacts
    rows = range(part.start, part.stop)
    own = records.from_table(artifacts.get_rows(part.artifact, part.sha256, rows, records.SCHEMA.names))
    matrix = data.targets() if part.role == "target" else data.whole(part.of)

    def features(some: Sequence[Record]) -> FeatureBlock:
        values = matrix[[int(record.id) for record in some]].float().numpy()[:, None, :]
        ones = np.ones((len(some), 1), dtype=np.float32)
        tokens = np.full(len(some), 3, dtype=np.int32)
        return FeatureBlock(values, ones, ones[:, 0], tokens, ["ok"] * len(some), "s", {})

    done = left(artifacts, work.claim.tenant_id, own, features, work.context.settings.block_rows)
    return Outcome(FeaturesResult.of(done))
