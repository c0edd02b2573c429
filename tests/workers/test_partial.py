"""A selection that goes on without the candidates of a shard that failed again and again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.artifacts import Artifacts
from store.data.sources import Source
from store.errors import Invalid
from store.jobs import claims, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.records import record as records
from store.session import Database
from store.settings import Settings
from store.tables.states import JobKind
from tests.workers.selections.computing import left
from workers.context import Context
from workers.features.block import FeatureBlock
from workers.phases import features as computing
from workers.phases import transport
from workers.process.work import Work

ROWS = 4  # of a shard
REQUEST = {
    "target_id": "t",
    "pool_id": "pool_of_nobody",  # what is selected from stands in the shards
    "pool_version": 0,
    "features": {"allow_partial": True},
    "exclude_selection_ids": [],
    "k": 2,
    "spec": {},
    "model": "base",
    "seed": 0,
}


def features(rows: int, seed: int) -> FeatureBlock:
    values = np.random.default_rng(seed).normal(size=(rows, 1, 8)).astype(np.float32)
    norms = np.linalg.norm(values, axis=2)
    plain = norms[:, 0]
    tokens = np.full(rows, 3, dtype=np.int32)
    return FeatureBlock(values / norms[:, :, None], norms, plain, tokens, ["ok"] * rows, "s", {})


@pytest.fixture
def ctx(database: Database, tmp_path: Path) -> Context:
    return Context(Settings(), database, Artifacts(f"file://{tmp_path}"))


def accept(ctx: Context, tenant: str, **changed: object) -> None:
    """One shard of targets, then two of candidates, whose contents repeat each other in one row."""
    names = {"target": ["t0", "t1", "t2", "t3"], "pool": ["a", "b", "c", "same", "d", "e", "f", "same"]}
    sources = []
    for role, prompts in names.items():
        rows = [records.parse_record({"prompt": prompt, "completion": "x"}) for prompt in prompts]
        stored = ctx.artifacts.put_table("records", records.to_table(rows))
        sources.append(Source(role, stored.path, stored.sha256, len(rows)))
    with ctx.database.transaction() as session:
        parts = plans.feature_shards(sources, ROWS)
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=REQUEST | changed, plans=parts)


def take(ctx: Context, queue: str) -> Claim:
    with ctx.database.transaction() as session:
        claim = claims.claim(session, Offer(queue, ("features", "transport"), "w", 60.0))
    assert claim is not None
    return claim


def settle(ctx: Context, claim: Claim, *, fails: bool) -> None:
    payload = claim.payload
    table = ctx.artifacts.get_table(payload["artifact"], payload["sha256"])
    own = records.from_table(table.slice(payload["start"], payload["stop"] - payload["start"]))
    done = left(ctx.artifacts, claim.tenant_id, own, lambda some: features(ROWS, payload["start"]))
    with ctx.database.transaction() as session:
        if fails:
            shards.release(session, claim, "OSError", retry_delay_seconds=1.0, max_attempts=1)
        else:
            shards.commit(session, claim, done)


def chosen(ctx: Context, failing: set[int]) -> dict[str, Any]:
    for index in range(3):
        settle(ctx, take(ctx, "features"), fails=index in failing)
    result = transport.run(Work(take(ctx, "select"), ctx, lambda done: None)).job_result
    assert result is not None
    return result.stored()


def test_its_candidates_are_counted_and_an_equal_one_elsewhere_is_not_lost(ctx: Context, tenant: str) -> None:
    accept(ctx, tenant)
    counts = chosen(ctx, failing={1})["counts"]
    assert (counts["usable"], counts["left_out"]) == (ROWS, {"shard_failed": ROWS})


def test_without_any_candidate_the_job_fails_and_says_so(ctx: Context, tenant: str) -> None:
    accept(ctx, tenant)
    with pytest.raises(Exception, match="every shard of the candidates failed"):
        chosen(ctx, failing={1, 2})


def test_settings_that_an_older_release_took_end_the_job_with_the_next_step(
    ctx: Context, tenant: str
) -> None:
    accept(ctx, tenant, features={"dim": 2**40})
    claim = take(ctx, "features")
    with pytest.raises(Invalid, match=f"selection {claim.job_id} .*: start a new selection") as refused:
        computing.run(Work(claim, ctx, lambda done: None))
    assert refused.value.code == "settings_out_of_range"
