"""Lives of selections from large pools: sums, lists, transport that asks, the merge. See crash_points.py.

computed    by features that are computed, in shards; a block of them vanishes before sums
sent        by a matrix that was sent, in windows

In both an answer of each phase is lost, or damaged, before it is read, and one is of another kind of worker.
"""

import importlib
import multiprocessing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from sqlalchemy import select, update

from store.accounts.quotas import StorageQuota
from store.data import files
from store.jobs import shards
from store.jobs.results import FeaturesResult, ListedResult
from store.kit.json import Json
from store.tables.data import File
from store.tables.jobs import Event, Shard
from store.tables.states import ShardState
from tests.chaos.crash_points import Life, Scene, accept, converge, open_jobs, work
from tests.chaos.large import pools
from workers.context import Context

BODIES = "tests.chaos.phases.large"
BEFORE_FORKS = [importlib.import_module(f"workers.phases.{name}") for name in ("sums", "lists", "transport")]
PHASES = ("features", "sums", "lists", "transport")
COMPUTED = pools.body(Random("computed"))
SENT = pools.body_of_sent(Random("sent"), {})
OTHER_KIND = "1 cuda"
SETTINGS = {"shard_rows": 20, "block_rows": 20}
PARTS = 2  # of the candidates, by these settings and by windows


def send(scene: Scene, ctx: Context) -> None:
    """Both matrices, before the life."""
    quota = StorageQuota.of(ctx.settings)
    with ctx.database.transaction() as session:
        for role in pools.SIZES:
            place = files.fresh_place(scene.tenant_id)
            stored = ctx.artifacts.put_bytes(place.folder, pools.as_npy(role), ".npy")
            files.create(session, scene.tenant_id, place, stored, quota=quota, name=f"{role}.npy")


def computed(scene: Scene, ctx: Context) -> None:
    """See the module."""
    job_id = accept(scene, body=COMPUTED)
    while open_jobs(ctx) and not asked(ctx, job_id, "sums"):
        work(ctx, ["features"])
        work(ctx, ["select"])
    begun = any(shard.state == ShardState.DONE for shard in asked(ctx, job_id, "sums"))
    if not begun and not _reopened(ctx, job_id, "features"):
        block = FeaturesResult.of(asked(ctx, job_id, "features")[-1].result or {}).blocks[0]
        (Path(ctx.artifacts.root) / block.artifact).unlink(missing_ok=True)
    _lose_answers(ctx, job_id)


def sent(scene: Scene, ctx: Context) -> None:
    """See the module."""
    _lose_answers(ctx, accept_sent(scene, ctx))


def accept_sent(scene: Scene, ctx: Context) -> str:
    """The job by the matrices that were sent."""
    with ctx.database.transaction() as session:
        rows = session.scalars(select(File)).all()
        named = {str(row.name).removesuffix(".npy"): row.id for row in rows}
    return accept(scene, body={**SENT, "feature_files": named})


def _lose_answers(ctx: Context, job_id: str) -> None:
    """Of both phases, each once, when all of it is done and before it is read."""
    for phase in ("sums", "lists"):
        while open_jobs(ctx) and not _all_done(ctx, job_id, phase) and not asked(ctx, job_id, "lists"):
            work(ctx, ["select"])
            work(ctx, ["features"])
        if _all_done(ctx, job_id, phase) and not _reopened(ctx, job_id, phase):
            _spoil(ctx, asked(ctx, job_id, phase))
    converge(ctx)


def _spoil(ctx: Context, done: list[Shard]) -> None:
    """One file is lost, or of lists damaged, and of another one the worker was of another kind."""
    spoilt, foreign = done
    if spoilt.phase == "sums":
        _path(ctx, spoilt).unlink(missing_ok=True)
    else:
        _path(ctx, spoilt).write_bytes(b"nothing")
    with ctx.database.transaction() as session:
        other = {**(foreign.result or {}), "kind": OTHER_KIND}
        session.execute(update(Shard).where(Shard.id == foreign.id).values(result=other))


def _path(ctx: Context, shard: Shard) -> Path:
    return Path(ctx.artifacts.root) / ListedResult.of(shard.result).file.path


def asked(ctx: Context, job_id: str, phase: str) -> list[Shard]:
    """The shards of a phase."""
    with ctx.database.transaction() as session:
        return shards.of_phase(session, job_id, phase)


def _all_done(ctx: Context, job_id: str, phase: str) -> bool:
    """Whether all of a phase waits to be read: of one that damaged features stopped, a part is gone."""
    held = asked(ctx, job_id, phase)
    return len(held) == PARTS and all(shard.state == ShardState.DONE and shard.result for shard in held)


def _reopened(ctx: Context, job_id: str, phase: str) -> bool:
    with ctx.database.transaction() as session:
        told = session.scalars(select(Event).where(Event.job_id == job_id, Event.type == "shard.reopened"))
        return any(event.data["phase"] == phase for event in told)


@cache
def _expected(compute: Callable[[Json], str], of_sent: bool) -> str:
    """In a process of its own: one that has run torch is not to be forked."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(compute, (SENT if of_sent else COMPUTED,))


def _life(live: Callable[[Scene, Context], None], *, of_sent: bool) -> Life:
    compute = pools.expected_of_sent if of_sent else pools.expected_of_computed
    return Life(
        live.__name__,
        live,
        before=send if of_sent else None,
        expected=lambda: _expected(compute, of_sent),
        answer=pools.answer,
        bodies=BODIES,
        phases=PHASES,
        settings=SETTINGS,
    )


LIVES = {
    life.name: life
    for life in (
        _life(computed, of_sent=False),
        _life(sent, of_sent=True),
    )
}
