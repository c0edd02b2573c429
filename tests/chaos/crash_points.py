"""The process ends at every single commit and file step of a job's life; started again, all converges.

A life is a function that may be begun again at any time, as the product's processes are. It runs in a forked
child, which ends at one of its steps; a second child then runs it to the end.

plain      a POST to the real API; rings, claims, files, commits, all phases of stand-ins
damaged    the same, but a stored file vanishes before it is read, which sends its shard back
cancelled  a cancel while a shard is held, and the worker that finds out
upkeep     a sweep over a silent worker, a stuck cancel and a late job; then purge and orphan files

Lives of large pools, whose phases are the product's own: tests.chaos.large.lives.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from pydantic import SecretStr
from sqlalchemy import select, text

from embedded import processes, servers
from service.app import create_app
from store import migrate
from store.accounts import tenants
from store.artifacts import Artifacts
from store.jobs import claims, outbox, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Offer
from store.kit.json import Json
from store.records import record as records
from store.session import Database
from store.settings import Settings
from store.tables.every import METADATA
from store.tables.jobs import Event, Job, Shard
from store.tables.states import TERMINAL, JobKind, JobStatus
from store.upkeep import retention, sweeper
from tests.chaos import history
from tests.chaos.history import Accepted, Answer
from tests.chaos.phases.features import digest
from tests.chaos.phases.transport import total
from tests.chaos.steps import EXIT_CRASHED, Steps
from workers.context import Context
from workers.process.phases_by_name import PHASES
from workers.process.workplace import Workplace

PASSWORD = "secret"
PEPPER = "pepper"
TARGET = [{"prompt": f"t{number}", "completion": "t"} for number in range(2)]
POOL = [{"prompt": f"p{number}", "completion": "p"} for number in range(4)]
EXPECTED = total(digest(records.parse_record(record).content_hash) for record in (*TARGET, *POOL))
ROUNDS = 20  # more drains than any life needs
EXIT_FAILED = 1


@dataclass(frozen=True)
class Scene:
    """The servers and the tenant that all lives share."""

    settings: Settings
    key: str
    tenant_id: str

    def context(self) -> Context:
        """What a process of its own holds on to."""
        return Context(self.settings, database(self.settings), Artifacts(self.settings.artifacts_url))


@dataclass(frozen=True)
class Life:
    """What a process does from its start on, whatever it finds."""

    name: str
    live: Callable[[Scene, Context], None]
    ends: tuple[str, ...] = ("completed",)
    """Of its jobs, in alphabetical order."""
    before: Callable[[Scene, Context], None] | None = None
    """What has happened before it."""
    expected: Callable[[], str] = lambda: EXPECTED
    """The answer of its jobs."""
    answer: Answer = history.of_stand_ins
    bodies: str = "tests.chaos.phases"
    phases: Collection[str] = ("features", "lists", "transport")
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of its processes, where they are not the scene's."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a life."""

    life: Life = field(repr=False)
    number: int
    step: str

    def __str__(self) -> str:
        return f"{self.life.name} {self.number} {self.step}"


def database(settings: Settings) -> Database:
    """Connections that no fork can share."""
    made = Database(settings.database_url)
    made.engine.dispose()
    return made


@contextmanager
def scene(home: Path) -> Iterator[Scene]:
    """A PostgreSQL of its own, until the block ends."""
    port, running = servers.start_server(
        lambda port: servers.postgres_child(home / "postgres", port, PASSWORD, home / "postgres.log"),
        lambda port: servers.postgres_answers(servers.postgres_url(port, PASSWORD)),
    )
    try:
        url = servers.postgres_url(port, PASSWORD)
        migrate.upgrade(url)
        settings = Settings(
            home=home,
            database_url=url,
            redis_url="redis://127.0.0.1:1",
            artifacts_url=f"file://{home}/artifacts",
            key_pepper=SecretStr(PEPPER),
            shard_rows=2,
            retry_delay_seconds=0.001,
            lease_seconds=60.0,
            heartbeat_seconds=60.0,
        )
        yield Scene(settings, tenants.generate_key(), "")
    finally:
        processes.stop(running)


def empty(scene: Scene) -> Scene:
    """No rows, no files; a tenant with a key."""
    shutil.rmtree(scene.settings.home / "artifacts", ignore_errors=True)
    made = database(scene.settings)
    with made.transaction() as session:
        names = ", ".join(table.name for table in METADATA.sorted_tables)
        session.execute(text(f"truncate {names} cascade"))
        tenant_id = tenants.ensure_tenant(session, "test")
        tenants.add_key(session, tenant_id, name="test", secret=scene.key, pepper=PEPPER)
    made.dispose()
    return Scene(scene.settings, scene.key, tenant_id)


def accept(scene: Scene, key: str = "only", body: Json | None = None) -> str:
    """POST through the real application; the same key gives the same job."""
    asked = body or {"target": TARGET, "candidates": POOL, "k": 2}

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(scene.settings))
        headers = {"Authorization": f"Bearer {scene.key}", "Idempotency-Key": key}
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
            return await client.post("/v1/selections", json=asked)

    answer = asyncio.run(post())
    if answer.status_code != httpx.codes.ACCEPTED:
        raise AssertionError(answer.text)
    job_id: str = answer.json()["id"]
    return job_id


def work(ctx: Context, queues: list[str]) -> None:
    """Relay, then work until nothing waits."""
    with ctx.database.transaction() as session:
        outbox.publish(session, lambda queue: None)
    Workplace(ctx, queues).drain()


def open_jobs(ctx: Context) -> list[str]:
    """The jobs that have not ended."""
    with ctx.database.transaction() as session:
        return list(session.scalars(select(Job.id).where(Job.status.not_in(TERMINAL))))


def plain(scene: Scene, ctx: Context) -> None:
    """See the module."""
    accept(scene)
    converge(ctx)


def converge(ctx: Context) -> None:
    """Work until every job has ended."""
    for _ in range(ROUNDS):
        if open_jobs(ctx):
            work(ctx, ["features", "select"])


def damaged(scene: Scene, ctx: Context) -> None:
    """See the module."""
    job_id = accept(scene)
    work(ctx, ["features"])
    with ctx.database.transaction() as session:
        reopened = select(Event).where(Event.job_id == job_id, Event.type == "shard.reopened")
        opening = (Shard.job_id == job_id, Shard.phase == "features", Shard.index == 0)
        first = session.scalar(select(Shard).where(*opening))
        ruin = first is not None and first.result is not None and session.scalar(reopened) is None
    if first is not None and ruin:
        shutil.rmtree(scene.settings.home / "artifacts" / scene.tenant_id / "features", ignore_errors=True)
    plain(scene, ctx)


def cancelled(scene: Scene, ctx: Context) -> None:
    """See the module."""
    job_id = accept(scene)
    claim = None
    if job_id in open_jobs(ctx):
        with ctx.database.transaction() as session:
            claim = claims.claim(session, Offer("features", tuple(PHASES), "w", 60))
        with ctx.database.transaction() as session:
            jobs.request_cancel(session, scene.tenant_id, job_id, JobKind.SELECTION)
    if claim is not None:
        with ctx.database.transaction() as session:
            shards.stop(session, claim)
    sweeper.sweep(ctx.database, ctx.settings)
    work(ctx, ["features", "select"])


def upkeep(scene: Scene, ctx: Context) -> None:
    """See the module."""
    sweeper.sweep(ctx.database, ctx.settings)
    retention.purge(ctx.database, retention_seconds=3600)
    retention.remove_orphans(ctx.database, ctx.artifacts, age_seconds=3600)
    work(ctx, ["features", "select"])
    work(ctx, ["features", "select"])


def prepare(scene: Scene, life: Life) -> Scene:
    """An empty scene, and what has happened before the life."""
    scene = empty(scene)
    scene = replace(scene, settings=scene.settings.model_copy(update=life.settings))
    if life.before is not None:
        ctx = scene.context()
        life.before(scene, ctx)
        ctx.database.dispose()
    return scene


def neglect(scene: Scene, ctx: Context) -> None:
    """A stuck cancel, a silent worker, a job that is late and one that is old, a file without a row."""
    for key in ("stuck", "silent"):
        job_id = accept(scene, key)
        with ctx.database.transaction() as session:
            claims.claim(session, Offer("features", tuple(PHASES), "w", 0.001))
            if key == "stuck":
                jobs.request_cancel(session, scene.tenant_id, job_id, JobKind.SELECTION)
    late, old = accept(scene, "late"), accept(scene, "old")
    with ctx.database.transaction() as session:
        jobs.request_cancel(session, scene.tenant_id, old, JobKind.SELECTION)
        for job_id, column in ((late, "created_at"), (old, "cancelled_at")):
            past = text(f"update jobs set {column} = now() - interval '30 days' where id = :id")
            session.execute(past, {"id": job_id})
    stray = ctx.artifacts.put_bytes("stray", b"no row names this", ".bin")
    os.utime(scene.settings.home / "artifacts" / stray.path, (0, 0))


LIVES = {
    life.name: life
    for life in (
        Life("plain", plain),
        Life("damaged", damaged),
        Life("cancelled", cancelled, ends=("cancelled",)),
        Life("upkeep", upkeep, ends=("cancelled", "completed", "expired"), before=neglect),
    )
}


def in_child(scene: Scene, life: Life, crash_at: int | None) -> tuple[int, list[str]]:
    """Run a life in a forked process; its exit status and the steps it went through."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = EXIT_FAILED
        try:
            os.close(reader)
            status = _live(scene, life, crash_at, writer)
        except BaseException:
            traceback.print_exc()  # the status alone says little
            raise
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        seen = stream.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads(seen) if seen else []


def _live(scene: Scene, life: Life, crash_at: int | None, writer: int) -> int:
    PHASES.clear()
    PHASES.update({name: f"{life.bodies}.{name}" for name in life.phases})
    steps = Steps(str(scene.settings.home / "artifacts"), crash_at)
    life.live(scene, scene.context())
    os.write(writer, json.dumps(steps.seen).encode())
    return 0


def lived(scene: Scene, life: Life) -> Context:
    """Live it to its end in a process of its own; what it leaves is in the context."""
    made = prepare(scene, life)
    status, _ = in_child(made, life, crash_at=None)
    if status != 0:
        raise AssertionError(f"the life {life.name} does not end: exit status {status}")
    ctx = made.context()
    with ctx.database.transaction() as session:
        outbox.publish(session, lambda queue: None)
    return ctx


def points(scene: Scene, life: Life) -> list[Point]:
    """Every step of a life, found by living it once."""
    status, seen = in_child(prepare(scene, life), life, crash_at=None)
    if status != 0:
        raise AssertionError(f"the life {life.name} does not even end without a crash: exit status {status}")
    return [Point(life, number, step) for number, step in enumerate(seen)]


def crash(scene: Scene, point: Point) -> list[str]:
    """End the process at the point, start again, and name what is not as it should be."""
    scene = prepare(scene, point.life)
    status, _ = in_child(scene, point.life, crash_at=point.number)
    if status != EXIT_CRASHED:
        return [f"{point}: was not reached, exit status {status}"]
    ctx = scene.context()
    with ctx.database.transaction() as session:
        sweeper.expire_leases(session)
    sweeper.sweep(ctx.database, ctx.settings)
    status, _ = in_child(scene, point.life, crash_at=None)
    found = [] if status == 0 else [f"exit status {status} of the second life"]
    with ctx.database.transaction() as session:
        outbox.publish(session, lambda queue: None)
        rows = session.scalars(select(Job)).all()
    found += _ends(point.life, rows)
    expected = point.life.expected()
    accepted = [
        Accepted(row.id, expected, row.status == JobStatus.CANCELLED, point.life.answer)
        for row in rows
        if row.status != JobStatus.EXPIRED
    ]
    found += history.breaks(ctx.database, ctx.artifacts, accepted)
    ctx.database.dispose()
    return [f"{point}: {sentence}" for sentence in found]


def _ends(life: Life, rows: Sequence[Job]) -> list[str]:
    ends = tuple(sorted(row.status for row in rows))
    return [] if ends == life.ends else [f"the jobs ended as {ends}, not {life.ends}"]


def all_points(stop: threading.Event, lives: Sequence[Life], steps: range) -> tuple[list[Point], int]:
    """These points of each of the lives, and at how many of them all converged; `stop` ends it early."""
    with tempfile.TemporaryDirectory(prefix="evoselect-crash-") as home, scene(Path(home)) as made:
        listed = [point for life in lives for point in points(made, life) if point.number in steps]
        good = 0
        for number, point in enumerate(listed):
            if stop.is_set():
                return listed[:number], good
            found = crash(made, point)
            good += not found
            print(f"{point}: {found or 'converges'}", file=sys.stderr)
    return listed, good
