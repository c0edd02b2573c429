"""A selection of features that were sent does not depend on the windows they are read in, or their fates."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sqlalchemy import update

from evoselect.budget import Budget
from evoselect.capacity import shortlist
from evoselect.representations.shards import condition
from evoselect.select import select
from evoselect.spec import listing
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifact, Artifacts, StoredFile
from store.data import files as sent_files
from store.data import pools
from store.jobs import claims, plans, shards, submissions
from store.jobs.claims import Offer
from store.jobs.requests import SelectionWork
from store.jobs.results import files_of
from store.kit.ids import new_id
from store.records import record as records
from store.results import items as selected
from store.session import Database
from store.settings import Settings
from store.tables.data import Target
from store.tables.jobs import Job, Shard
from store.tables.states import JobKind
from tests.workers.selections.test_sharded import events, found, listed, rows, spoil, worked
from workers.context import Context
from workers.phases import transport
from workers.process import siblings
from workers.process.workplace import Workplace

ROWS, GOALS, WIDTH, K = 140, 12, 24, 15
CUTS = {"two": 120, "uneven": 50, "seven": 20}  # rows of a window; what fits into one is held
QUOTA = StorageQuota.of(Settings())


def matrix(role: str, count: int) -> npt.NDArray[np.float16]:
    """Every 20th candidate repeats another, every 30th is not finite, one is nothing, and one is tiny."""
    draws = [np.random.default_rng([role == "pool", row - (row % 20 == 19)]) for row in range(count)]
    values = np.stack([draw.normal(size=WIDTH) + 0.5 for draw in draws]).astype(np.float16)
    if role == "pool":
        values[7::30, 3] = np.nan
        values[50], values[51, 1:] = 0.0, 0.0
    return values


def as_npy(values: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def as_parquet(values: npt.NDArray[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": list(values)}), sink)
    return bytes(sink.getvalue())


@pytest.fixture
def ctx(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Every pool is large here, and of a large one half is the sample that names prices."""
    monkeypatch.setattr("workers.features.conditioned_rows.READ_BYTES", 1)
    monkeypatch.setattr(listing, "DENSE_ENTRIES", 100)
    for name, value in {"WHOLE_ENTRIES": 100, "MIN_SAMPLE": 70}.items():
        monkeypatch.setattr(shortlist, name, value)
    monkeypatch.setenv(siblings.VARIABLE, "family")
    settings = Settings(home=tmp_path / "home")
    return Context(settings, database, Artifacts(f"file://{tmp_path}/artifacts"))


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Into windows of so many rows."""
    return lambda rows: monkeypatch.setattr("workers.features.conditioned_rows.HELD_BYTES", rows * 4 * WIDTH)


def begun(ctx: Context, tenant: str, *, suffix: str = ".npy", left_out: int = 0, **changed: Any) -> str:
    """A selection by matrices that were sent; the first of the records were in the pool before."""
    side = {"target": rows("target", GOALS), "pool": rows("pool", ROWS + left_out)}
    made: dict[str, Artifact] = {}
    as_bytes = as_npy if suffix == ".npy" else as_parquet
    with ctx.database.transaction() as session:
        names = {}
        for role, own in side.items():
            place = sent_files.fresh_place(tenant)
            stored = ctx.artifacts.put_bytes(place.folder, as_bytes(matrix(role, len(own))), suffix)
            name = role + suffix
            names[role] = sent_files.create(session, tenant, place, stored, quota=QUOTA, name=name).id
        kept = {"target": side["target"], "pool": side["pool"][left_out:]}
        for role, own in kept.items():
            table = records.to_table(own)
            if role == "pool":
                at = pa.array(range(left_out, len(own) + left_out), pa.int64())
                table = table.append_column("position", at)
            made[role] = ctx.artifacts.put_table("records", table)
        file = made["target"]
        goal = Target(id=new_id("tgt"), tenant_id=tenant, count=GOALS, artifact=file.path, sha256=file.sha256)
        session.add(goal)
        pool = pools.create(session, tenant)
        held = len(side["pool"])
        counts = pools.Counts(received=held, accepted=held, rejected=0, duplicates=left_out)
        pools.append(session, pool, new_id("bat"), made["pool"], counts=counts, quota=None)
        asked = {
            "target_id": goal.id,
            "pool_id": pool.id,
            "pool_version": pool.version,
            "features": {"kind": "provided", "conditioning": "whitened"},
            "feature_files": names,
            "k": K,
            "spec": {},
            "model": "none",
        }
        work = SelectionWork.model_validate(asked | changed)
        label = submissions.Label()
        return submissions.selection(session, tenant, work, shard_rows=512, label=label).id


def comparable(ctx: Context, job_id: str) -> dict[str, Any]:
    """The result, without what says how it was made, and for which of equal targets."""
    result = found(ctx, job_id)
    result["features"].pop("shards", None)
    result["features"].pop("asked_again", None)
    for leaks in result["near_copies"]["leaks"]:
        leaks.pop("target_id")
    return result


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"suffix": ".parquet"},
        {"left_out": 9},
        {
            "features": {"kind": "provided", "match": "content"},
            "spec": {"lambda": "auto", "balance": {"by": "group", "min": {"b": 6}}},
            "pinned": ["pool3"],
        },
        {"spec": {"method": "round_robin"}},
    ],
    ids=["capacity", "parquet", "stored", "content", "round_robin"],
)
def test_any_windows_and_one_matrix_give_the_same_items_and_report(
    ctx: Context, tenant: str, cut: Any, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for rows_of_window in CUTS.values():
        cut(rows_of_window)
        job_id = begun(ctx, tenant, **changed)
        results.append(comparable(ctx, job_id))
        windows = -(-(ROWS + changed.get("left_out", 0)) // rows_of_window)
        assert len(listed(ctx, job_id)) == (0 if "method" in changed.get("spec", {}) else windows)
    assert results[0]["counts"]["left_out"]["non_finite"] >= 4
    assert results[0]["diagnostics"]["equal_features_collapsed"] >= 5
    monkeypatch.setattr(transport.Sides, "listed", False)
    results.append(comparable(ctx, begun(ctx, tenant, **changed)))
    assert results[0] == results[1] == results[2] == results[3]


def test_the_library_selects_the_same(ctx: Context, tenant: str, cut: Any) -> None:
    cut(CUTS["seven"])
    result = comparable(ctx, begun(ctx, tenant))
    stored = selected.read(ctx.artifacts, _file(result), after=0, limit=K)
    values = matrix("pool", ROWS)
    usable = [row for row in range(ROWS) if np.isfinite(values[row]).all() and values[row].any()]
    spec = FeatureSpec.model_validate({"kind": "provided", "conditioning": "whitened"})
    sent, wanted = (torch.from_numpy(side)[:, None] for side in (values[usable], matrix("target", GOALS)))
    pool, goal = condition(sent, wanted, spec)
    budget = Budget.of_rows(len(usable), K)
    groups = ["ab"[row % 2] for row in range(GOALS)]
    alone = select(pool.half(), goal, budget, SelectionSpec(), seed=0, groups=groups)
    items = [orjson.loads(line) for line in stored]
    assert [item["id"] for item in items] == [f"pool{usable[row]}" for row in alone.indices.tolist()]
    assert [item["weight"] for item in items] == alone.weights.tolist()


def _file(result: dict[str, Any]) -> StoredFile:
    return files_of(result).items


def test_lists_that_are_damaged_or_of_other_targets_are_made_again(
    ctx: Context, tenant: str, cut: Any
) -> None:
    cut(CUTS["seven"])
    want = comparable(ctx, begun(ctx, tenant))
    job_id = begun(ctx, tenant)
    done = until_listed(ctx, job_id)
    assert len(done) == 7
    spoil(ctx, done)
    assert comparable(ctx, job_id) == want
    again = listed(ctx, job_id)
    assert [shard.faults for shard in again] == [1, 1, 1, 0, 0, 0, 0]
    assert again[3].id != done[3].id
    assert events(ctx, job_id).count("shard.reopened") == 3


def until_listed(ctx: Context, job_id: str) -> list[Shard]:
    """The shards of phase lists, done, before anyone merges them; nothing has to be computed first."""
    for _ in range(2):
        one(ctx, "select")
        worked(ctx, ["features"])
    return listed(ctx, job_id)


def one(ctx: Context, queue: str) -> None:
    """A worker of the queue works on one shard."""
    place = Workplace(ctx, [queue])
    claim = place._claim(0.0)
    assert claim is not None
    place._work_on(claim)


def test_a_worker_that_dies_over_a_window_costs_that_window_alone(
    ctx: Context, tenant: str, cut: Any
) -> None:
    cut(CUTS["seven"])
    want = comparable(ctx, begun(ctx, tenant))
    job_id = begun(ctx, tenant)
    for phase in ("sums", "lists"):
        one(ctx, "select")
        with ctx.database.transaction() as session:
            claim = claims.claim(session, Offer("features", (phase,), "dies", 0.0))
            assert claim is not None
            assert shards.lose(session, claim.shard_id, max_attempts=3)
        worked(ctx, ["features"])
        assert [shard.attempt for shard in listed(ctx, job_id, phase)] == [2, 1, 1, 1, 1, 1, 1]
    assert comparable(ctx, job_id) == want


def test_a_matrix_that_changes_under_the_job_fails_it_and_says_which_bytes(
    ctx: Context, tenant: str, cut: Any
) -> None:
    cut(CUTS["seven"])
    job_id = begun(ctx, tenant)
    one(ctx, "select")
    part = plans.ListedPart.model_validate(listed(ctx, job_id, "sums")[2].payload)
    assert part.matrix is not None
    file = Path(ctx.artifacts.root) / part.matrix.path
    data = bytearray(file.read_bytes())
    data[part.matrix.offset] ^= 1
    file.write_bytes(data)
    worked(ctx, ["features"])
    with ctx.database.transaction() as session:
        shard = listed(ctx, job_id, "sums")[2]
        assert shard.faults == 1
        assert f"bytes {part.matrix.offset} to" in str(shard.last_fault)
    data[part.matrix.offset] ^= 1
    file.write_bytes(data)
    with ctx.database.transaction() as session:
        session.execute(update(Shard).where(Shard.id == shard.id).values(available_at=Shard.started_at))
    assert found(ctx, job_id)["diagnostics"]["k"] == K


def test_a_job_that_failed_while_its_windows_were_read_can_be_retried(
    ctx: Context, tenant: str, cut: Any
) -> None:
    cut(CUTS["seven"])
    job_id = begun(ctx, tenant)
    one(ctx, "select")
    with ctx.database.transaction() as session:
        claim = claims.claim(session, Offer("features", ("sums",), "fails", 60.0))
        assert claim is not None
        shards.fail(session, claim, "broken", "it broke")
    with ctx.database.transaction() as session:
        again = submissions.again(session, tenant, job_id, JobKind.SELECTION).id
        assert session.get_one(Job, job_id).status == "failed"
    assert found(ctx, again)["diagnostics"]["k"] == K


@pytest.mark.parametrize(
    ("most", "told", "asked"),
    [
        (K - 1, "12 targets, 134 candidates and a budget of 15 rows make at least 15 edges", []),
        (K, "12 targets, 134 candidates and a budget of 15 rows make about", ["sums"]),
    ],
    ids=["at_once", "by_the_sample"],
)
def test_more_edges_than_memory_holds_are_refused_before_they_are_listed(
    ctx: Context, tenant: str, cut: Any, most: int, told: str, asked: list[str]
) -> None:
    cut(CUTS["seven"])
    bounded = replace(ctx, settings=ctx.settings.model_copy(update={"max_edges": most}))
    job_id = begun(bounded, tenant)
    worked(bounded)
    with ctx.database.transaction() as session:
        error = session.get_one(Job, job_id).error or {}
    assert error["code"] == "too_many_edges"
    assert told in error["detail"]
    assert f"{most} are allowed (EVOSELECT_MAX_EDGES)" in error["detail"]
    assert [phase for phase in ("sums", "lists") if listed(ctx, job_id, phase)] == asked
