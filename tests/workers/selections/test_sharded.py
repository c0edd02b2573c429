"""A selection does not depend on how its candidates were cut into feature shards, nor on their fates."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from evoselect.capacity import shortlist
from evoselect.spec import listing
from store.artifacts import Artifacts
from store.data import feature_blocks
from store.data.sources import Source
from store.jobs import claims, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Offer
from store.records import record as records
from store.records.record import Record, parse_record
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Job, Shard
from store.tables.states import JobKind, ShardState
from tests.workers.selections import computing
from workers.context import Context
from workers.phases import transport
from workers.process import siblings
from workers.process.phases_by_name import PHASES
from workers.process.workplace import Workplace

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
CUTS = {"one": [], "two": [80], "seven": [3, 20, 40, 41, 100, 139]}


def rows(role: str, count: int) -> list[Record]:
    found = []
    for row in range(count):
        prompt, id = f"{role} {'long ' * (row * 7 % 5)}{row}", f"{role}{row}"
        found.append(parse_record({"prompt": prompt, "completion": "x", "id": id, "group": "ab"[row % 2]}))
    return found


@pytest.fixture
def ctx(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Every pool is large here, and of a large one half is the sample that names prices."""
    monkeypatch.setattr("workers.features.conditioned_rows.HELD_BYTES", 1)
    monkeypatch.setattr("workers.features.conditioned_rows.READ_BYTES", 1)
    monkeypatch.setattr(listing, "DENSE_ENTRIES", 100)
    for name, value in {"WHOLE_ENTRIES": 100, "MIN_SAMPLE": 70}.items():
        monkeypatch.setattr(shortlist, name, value)
    monkeypatch.setitem(PHASES, "features", "tests.workers.selections.computing")
    monkeypatch.setenv(siblings.VARIABLE, "family")
    settings = Settings(block_rows=BLOCK, home=tmp_path / "home")
    return Context(settings, database, Artifacts(f"file://{tmp_path}/artifacts"))


def begun(ctx: Context, tenant: str, cuts: Sequence[int], **changed: object) -> str:
    """A selection whose candidates' features are computed in several shards, later ones from ``cuts`` on."""
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
        request = REQUEST | changed
        job = jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=request, plans=parts)
        return job.id


def worked(ctx: Context, queues: Sequence[str] = ("features", "select")) -> None:
    """Until nothing waits in the queues."""
    while Workplace(ctx, list(queues)).drain():
        pass


def found(ctx: Context, job_id: str) -> dict[str, Any]:
    """The job's result, without what differs between two runs of the same."""
    worked(ctx)
    with ctx.database.transaction() as session:
        job = session.get_one(Job, job_id)
        assert job.result is not None, job.error
        stored = dict(job.result)
    stored["near_copies"].pop("seconds")
    return stored


def listed(ctx: Context, job_id: str, phase: str = "lists") -> list[Shard]:
    with ctx.database.transaction() as session:
        return shards.of_phase(session, job_id, phase)


def until_listed(ctx: Context, job_id: str) -> list[Shard]:
    """The shards of phase lists, done, before anyone merges them."""
    for _ in range(2):
        worked(ctx, ["features"])
        with ctx.database.transaction() as session:
            shard = shards.of_phase(session, job_id, "transport")[0]
        place = Workplace(ctx, ["select"])
        assert shard.state == ShardState.READY
        claim = place._claim(0.0)
        assert claim is not None
        assert place._work_on(claim) is None
    worked(ctx, ["features"])
    return listed(ctx, job_id)


def events(ctx: Context, job_id: str) -> list[str]:
    with ctx.database.transaction() as session:
        return [event.type for event in jobs.events(session, job_id)]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"features": {"match": "content", "kind": "gradient"}, "spec": {"lambda": "auto"}},
        {
            "k": None,
            "tokens": 90,
            "pinned": ["pool3"],
            "spec": {"balance": {"by": "group", "min": {"b": 30}}},
        },
        {"spec": {"method": "round_robin"}},
    ],
    ids=["capacity", "content", "tokens", "round_robin"],
)
def test_one_two_and_seven_shards_and_one_matrix_give_the_same_items_and_report(
    ctx: Context, tenant: str, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [found(ctx, begun(ctx, tenant, cuts, **changed)) for cuts in CUTS.values()]
    counted = [result["features"].pop("shards", None) for result in results]
    again = [result["features"].pop("asked_again", None) for result in results]
    assert counted == ([1, 2, 7] if "method" not in changed.get("spec", {}) else [None] * 3)
    assert again == [0, 0, 0] or changed
    assert results[0]["counts"]["left_out"] == {"non_finite": 5}
    assert results[0]["diagnostics"]["equal_features_collapsed"] == 7
    monkeypatch.setattr(transport.Sides, "listed", False)
    results.append(found(ctx, begun(ctx, tenant, CUTS["seven"], **changed)))
    assert results[0] == results[1] == results[2] == results[3]


def test_what_only_one_selection_needed_is_let_go(ctx: Context, tenant: str) -> None:
    kept = begun(ctx, tenant, CUTS["two"])
    first = found(ctx, kept)
    (block, *_), own = listed(ctx, kept, "features")[1].result["blocks"], listed(ctx, kept)  # type: ignore[index]
    assert [shard.result for shard in own] == [{}, {}]
    with ctx.database.transaction() as session:
        assert feature_blocks.find(session, tenant, block["key"]) is not None
    alone = begun(ctx, tenant, CUTS["two"], features={"conditioning": "whitened", "keep_features": False})
    second = found(ctx, alone)
    assert second["artifacts"]["items"] == first["artifacts"]["items"]
    with ctx.database.transaction() as session:
        assert feature_blocks.find(session, tenant, block["key"]) is None
    assert [shard.result["blocks"] for shard in listed(ctx, alone, "features")] == [[], [], []]  # type: ignore[index]


def spoil(ctx: Context, done: list[Shard]) -> None:
    """Of four lists: one is lost, one damaged, one of another kind of worker, one of other targets."""
    lost, changed = (str(done[at].result["file"]["path"]) for at in (0, 1))  # type: ignore[index]
    (Path(ctx.artifacts.root) / lost).unlink()
    (Path(ctx.artifacts.root) / changed).write_bytes(b"nothing")
    foreign = {**done[3].payload, "fingerprint": "of other targets"}
    with ctx.database.transaction() as session:
        session.execute(update(Shard).where(Shard.id == done[3].id).values(payload=foreign))
        other = {**(done[2].result or {}), "kind": "1 cuda"}
        session.execute(update(Shard).where(Shard.id == done[2].id).values(result=other))


def test_lists_that_are_damaged_foreign_or_of_another_worker_are_made_again(
    ctx: Context, tenant: str
) -> None:
    want = found(ctx, begun(ctx, tenant, CUTS["seven"]))
    job_id = begun(ctx, tenant, CUTS["seven"])
    done = until_listed(ctx, job_id)
    assert len(done) == 7
    spoil(ctx, done)
    assert found(ctx, job_id) == want
    again = listed(ctx, job_id)
    assert [shard.faults for shard in again] == [1, 1, 1, 0, 0, 0, 0]
    assert again[3].id != done[3].id
    assert events(ctx, job_id).count("shard.reopened") == 3


def test_features_that_are_lost_before_they_are_listed_are_computed_again(ctx: Context, tenant: str) -> None:
    want = found(ctx, begun(ctx, tenant, CUTS["two"]))
    job_id = begun(ctx, tenant, CUTS["two"])
    worked(ctx, ["features"])
    for phase in ("features", "sums"):
        block = listed(ctx, job_id, "features")[2].result["blocks"][1]  # type: ignore[index]
        (Path(ctx.artifacts.root) / block["artifact"]).unlink()
        place = Workplace(ctx, ["select"])
        claim = place._claim(0.0)
        assert claim is not None, phase
        place._work_on(claim)
        worked(ctx, ["features"])
    assert found(ctx, job_id) == want
    assert listed(ctx, job_id, "features")[2].faults == 2


def test_a_worker_that_dies_over_a_list_costs_that_list_alone(ctx: Context, tenant: str) -> None:
    want = found(ctx, begun(ctx, tenant, CUTS["seven"]))
    job_id = begun(ctx, tenant, CUTS["seven"])
    for _ in range(2):
        worked(ctx, ["features"])
        place = Workplace(ctx, ["select"])
        claim = place._claim(0.0)
        assert claim is not None
        place._work_on(claim)
    with ctx.database.transaction() as session:
        claim = claims.claim(session, Offer("features", ("lists",), "dies", 0.0))
        assert claim is not None
        assert shards.lose(session, claim.shard_id, max_attempts=3)
    assert found(ctx, job_id) == want
    assert [shard.attempt for shard in listed(ctx, job_id)] == [2, 1, 1, 1, 1, 1, 1]


def test_features_of_another_kind_of_worker_are_not_mixed_in(
    ctx: Context, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = computing.features

    def other(own: Sequence[Record]) -> Any:
        return made(own, "other" if any(record.id == "pool139" for record in own) else "s")

    monkeypatch.setattr(computing, "features", other)
    job_id = begun(ctx, tenant, [120])
    worked(ctx)
    with ctx.database.transaction() as session:
        error = session.get_one(Job, job_id).error or {}
    assert "2 different sketches cannot be compared (['other', 's'])" in error["detail"]
