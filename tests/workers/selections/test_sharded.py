"""A selection does not depend on how its candidates were cut into feature shards."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoselect.errors import InvalidInput
from store.artifacts import Artifacts
from store.data.sources import Source
from store.errors import DamagedInput
from store.jobs import claims, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.records import record as records
from store.records.record import Record, parse_record
from store.session import Database
from store.settings import Settings
from store.tables.states import JobKind
from workers.context import Context
from workers.features.block import FeatureBlock
from workers.features.block_files import to_bytes
from workers.features.fingerprint import block_key
from workers.features.ordering import by_length
from workers.phases import transport
from workers.process.work import Work

ROWS, GOALS, BLOCK = 140, 12, 20
REQUEST: dict[str, Any] = {
    "target_id": "t",
    "pool_id": "pool_of_nobody",  # what is selected from stands in the shards
    "pool_version": 0,
    "features": {"conditioning": "whitened"},
    "exclude_selection_ids": [],
    "k": 15,
    "spec": {},
    "model": "base",
    "seed": 0,
}


def rows(role: str, count: int) -> list[Record]:
    found = []
    for row in range(count):
        prompt, id = f"{role} {'long ' * (row * 7 % 5)}{row}", f"{role}{row}"
        found.append(parse_record({"prompt": prompt, "completion": "x", "id": id, "group": "ab"[row % 2]}))
    return found


def features(own: Sequence[Record], sketch: str) -> FeatureBlock:
    """Of each record by its id alone; every 20th candidate repeats another, every 30th has none."""
    numbers = [int(record.id.removeprefix("target").removeprefix("pool")) for record in own]
    pool = own[0].id.startswith("pool")
    draws = [np.random.default_rng([pool, number - (number % 20 == 19)]) for number in numbers]
    values = np.stack([draw.normal(size=(2, 12)) + 0.5 for draw in draws]).astype(np.float32)
    values /= np.linalg.norm(values, axis=2, keepdims=True)
    status = ["non_finite" if pool and number % 30 == 7 else "ok" for number in numbers]
    norms, tokens = np.ones((len(own), 2), dtype=np.float32), np.array(numbers, dtype=np.int32) % 9 + 3
    return FeatureBlock(values, norms, norms[:, 0], tokens, status, sketch, {})  # type: ignore[arg-type]


@pytest.fixture
def ctx(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr("workers.selections.conditioned.HELD_BYTES", 1)  # a part of the pool for every shard
    monkeypatch.setattr("workers.selections.conditioned.READ_BYTES", 1)
    return Context(Settings(block_rows=BLOCK), database, Artifacts(f"file://{tmp_path}"))


def take(ctx: Context, queue: str) -> Claim:
    with ctx.database.transaction() as session:
        claim = claims.claim(session, Offer(queue, ("features", "transport"), "w", 60.0))
    assert claim is not None
    return claim


def compute(ctx: Context, tables: dict[str, list[Record]], claim: Claim, sketch: str) -> None:
    """As a feature worker does: block by block, in the order of the rows' lengths."""
    payload = claim.payload
    own = tables[payload["role"]][payload["start"] : payload["stop"]]
    ordered = [own[row] for row in by_length(own, ctx.settings.window_rows)]
    blocks = []
    for start in range(0, len(ordered), BLOCK):
        some = ordered[start : start + BLOCK]
        file = ctx.artifacts.put_bytes("features", to_bytes(features(some, sketch)), ".safetensors")
        key = block_key(sketch, some, claim.tenant_id)
        blocks.append({"key": key, "rows": len(some), "artifact": file.path, "sha256": file.sha256})
    with ctx.database.transaction() as session:
        shards.commit(session, claim, {"blocks": blocks, "outlook": {}})


def ready(ctx: Context, tenant: str, cuts: Sequence[int], *, last: str = "s", **changed: object) -> Work:
    """The transport shard of a selection whose candidates' features were computed in several shards.

    Later ones begin at the rows ``cuts``; the last one is of a worker of the sketch ``last``.
    """
    tables = {"target": rows("target", GOALS), "pool": rows("pool", ROWS)}
    sources = []
    for role, side in tables.items():
        stored = ctx.artifacts.put_table("records", records.to_table(side))
        sources.append(Source(role, stored.path, stored.sha256, len(side)))
    parts = [*plans.feature_shards(sources[:1], GOALS)]
    (whole,) = plans.feature_shards(sources[1:], ROWS)
    for start, stop in itertools.pairwise([0, *cuts, ROWS]):
        payload = {**whole.payload, "start": start, "stop": stop}
        parts.append(plans.ShardPlan("features", len(parts), stop - start, payload))
    with ctx.database.transaction() as session:
        jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=REQUEST | changed, plans=parts)
    for part in parts:
        compute(ctx, tables, take(ctx, "features"), last if part is parts[-1] else "s")
    return Work(take(ctx, "select"), ctx, lambda done: None)


def found(work: Work) -> dict[str, Any]:
    """The job's result, without what differs between two runs of the same."""
    result = transport.run(work).job_result
    assert result is not None
    stored = result.stored()
    stored["near_copies"].pop("seconds")
    return stored


CUTS = {"one": [], "two": [80], "seven": [3, 20, 40, 41, 100, 139]}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {
            "k": None,
            "tokens": 90,
            "pinned": ["pool3"],
            "spec": {"balance": {"by": "group", "min": {"b": 30}}},
        },
        {"spec": {"method": "round_robin"}},
        {"spec": {"method": "tsds"}},
    ],
    ids=["capacity", "tokens", "round_robin", "tsds"],
)
def test_one_two_and_seven_shards_give_the_same_items_to_the_last_bit(
    ctx: Context, tenant: str, changed: dict[str, Any]
) -> None:
    results = [found(ready(ctx, tenant, cuts, **changed)) for cuts in CUTS.values()]
    assert results[0]["counts"]["left_out"] == {"non_finite": 5}
    assert results[0]["diagnostics"]["equal_features_collapsed"] == 7
    assert results[0] == results[1] == results[2]


def test_a_block_that_is_lost_between_two_readings_is_computed_again(
    ctx: Context, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = ready(ctx, tenant, CUTS["two"])
    with ctx.database.transaction() as session:
        lost = shards.of_phase(session, work.claim.job_id, "features")[2]
    path = Path(ctx.artifacts.root) / lost.result["blocks"][0]["artifact"]  # type: ignore[index]

    def loses(*given: object, **named: object) -> None:
        path.unlink(missing_ok=True)

    monkeypatch.setattr(transport, "require_enough", loses)
    with pytest.raises(DamagedInput) as raised:
        transport.run(work)
    assert raised.value.shard_ids == [lost.id]


def test_features_of_another_kind_of_worker_are_not_mixed_in(ctx: Context, tenant: str) -> None:
    with pytest.raises(InvalidInput, match=r"2 different sketches cannot be compared \(\['other', 's'\]\)"):
        transport.run(ready(ctx, tenant, CUTS["two"], last="other"))
