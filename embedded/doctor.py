"""What is wrong with a deployment, check by check, and what to do about each find."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
from sqlalchemy import func, select, text

from store import disk, migrate
from store.artifacts import Artifacts
from store.jobs import life, shards
from store.jobs.plans import PAYLOAD_VERSION
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Outbox, Shard
from store.tables.states import ShardState
from store.upkeep import retention, sweeper

MOST_SKEW_SECONDS = 2.0  # between this machine's clock and the database's
LATE = 3  # sweeps or relays that may be missed before somebody should look


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check."""

    check: str
    ok: bool
    detail: str
    next_step: str = ""
    """What to do; empty where all is well."""


def examine(settings: Settings) -> list[Finding]:
    """Every check that can be made; those that need the database are left out while it is away."""
    database = Database(settings.database_url)
    try:
        findings = [_guarded("database", lambda: _database(database), "start the server")]
        findings.append(_guarded("broker", lambda: _broker(settings), "start it: workers only poll"))
        findings.append(_guarded("artifacts", lambda: _artifacts(settings), "mount or mend the store"))
        findings += [_disk(settings), workers(settings)]
        if findings[0].ok:
            findings += _rows(settings, database)
        return findings
    finally:
        database.dispose()


def _guarded(check: str, ask: Callable[[], str], next_step: str) -> Finding:
    try:
        return Finding(check, True, ask())
    except Exception as error:  # whatever the driver raises is the finding
        return Finding(check, False, f"{type(error).__name__}: {error}".strip().split("\n")[0], next_step)


def _database(database: Database) -> str:
    begun = time.perf_counter()
    database.ping()
    return f"answers in {1e3 * (time.perf_counter() - begun):.0f} ms"


def _broker(settings: Settings) -> str:
    with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
        client.ping()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    if policy != "noeviction":
        raise RuntimeError(f"maxmemory-policy is {policy}, not noeviction: notifications may be dropped")
    return "answers, never evicts"


def _artifacts(settings: Settings) -> str:
    Artifacts(settings.artifacts_url).probe()
    return "a file can be written, read and deleted"


def _disk(settings: Settings) -> Finding:
    shares = {place: disk.free_share(place) for place in disk.places(settings)}
    place = min(shares, key=lambda path: shares[path])
    reserve = settings.disk_reserve_share
    detail = f"{shares[place]:.1%} free at {place}, {reserve:.1%} are kept as reserve"
    step = "jobs wait and uploads are refused: make room, and they go on" if shares[place] < reserve else ""
    return Finding("disk", not step, detail, step)


def _rows(settings: Settings, database: Database) -> list[Finding]:
    found, wanted = migrate.revisions(settings.database_url)
    if found != wanted:
        detail = f"the database is at {found}, this release needs {wanted}"
        return [Finding("migrations", False, detail, "run `python -m store.migrate`"), _clock(database)]
    return [
        Finding("migrations", True, f"at {found}"),
        _clock(database),
        _stuck(settings, database),
        _queues(settings, database),
        _relay(settings, database),
        _impossible(database),
        _versions(database),
        _orphans(settings, database),
    ]


def _clock(database: Database) -> Finding:
    with database.transaction() as session:
        before = datetime.now(UTC)
        theirs = session.scalar(text("select clock_timestamp()"))
    skew = abs((theirs - before).total_seconds()) if theirs else 0.0
    step = "" if skew <= MOST_SKEW_SECONDS else "synchronise the clocks; leases are safe all the same"
    return Finding("clock", skew <= MOST_SKEW_SECONDS, f"{skew:.2f} s from the database's clock", step)


def _stuck(settings: Settings, database: Database) -> Finding:
    """Leases that ran out long ago, which a sweep would have settled."""
    late = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, LATE * settings.sweep_seconds)
    with database.transaction() as session:
        silent = select(Shard).where(Shard.state == ShardState.RUNNING, Shard.lease_until < late)
        count = session.scalar(select(func.count()).select_from(silent.subquery())) or 0
    step = "nobody sweeps: start an ops worker, or any worker" if count else ""
    return Finding("stuck rows", not count, f"{count} shards whose lease ran out are not taken back", step)


def workers(settings: Settings) -> Finding:
    """Of this machine: those that hang in a call which never returns."""
    silent = life.silent(settings)
    named = ", ".join(f"process {pid} for {age:.0f} s" for pid, age in sorted(silent.items()))
    if not silent:
        return Finding("workers", True, "none hangs on this machine")
    pids = " ".join(map(str, sorted(silent)))
    step = f"its parent ends it within a minute; where that is gone too: kill -9 {pids}"
    return Finding("workers", False, f"no sign of life of {named}", step)


def _queues(settings: Settings, database: Database) -> Finding:
    """Those in which shards have long waited while none runs: no worker serves them, or none that lives."""
    late = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, LATE * settings.notify_again_seconds)
    waits = (Shard.state == ShardState.READY, Shard.available_at < late)
    runs = select(Shard.queue).where(Shard.state == ShardState.RUNNING)
    with database.transaction() as session:
        found = session.execute(
            select(Shard.queue, func.count()).where(*waits, Shard.queue.not_in(runs)).group_by(Shard.queue)
        ).all()
    detail = ", ".join(f"{count} shards wait in {queue}" for queue, count in found)
    if not found:
        return Finding("queues", True, "none waits for a worker")
    step = f"start a worker: evoselect worker --queue {found[0][0]}"
    return Finding("queues", False, f"{detail} and none runs", step)


def _relay(settings: Settings, database: Database) -> Finding:
    with database.transaction() as session:
        age = session.scalar(
            select(func.extract("epoch", func.clock_timestamp() - func.min(Outbox.created_at)))
        )
    seconds = float(age or 0.0)
    late = seconds > LATE * max(settings.relay_seconds, settings.poll_seconds)
    step = "start an ops worker and the broker; workers only poll" if late else ""
    return Finding("relay", not late, f"the oldest notification has waited {seconds:.1f} s", step)


def _impossible(database: Database) -> Finding:
    with database.transaction() as session:
        found = sweeper.impossible(session)
    step = "somebody changed rows by hand: see docs/durability.md" if found else ""
    return Finding("impossible rows", not found, "; ".join(found[:3]) or "none", step)


def _versions(database: Database) -> Finding:
    with database.transaction() as session:
        newer = shards.too_new(session)
    detail = ", ".join(f"{count} shards in {queue}" for queue, count in newer.items())
    if not detail:
        return Finding("payload versions", True, f"none above {PAYLOAD_VERSION}")
    return Finding("payload versions", False, f"{detail} above {PAYLOAD_VERSION}", "upgrade this release")


def _orphans(settings: Settings, database: Database) -> Finding:
    artifacts = Artifacts(settings.artifacts_url)
    try:
        count = len(retention.orphans(database, artifacts, settings.orphan_age_seconds))
    except OSError as error:
        return Finding("orphan files", False, str(error), "see the check of the artifact store")
    return Finding("orphan files", True, f"{count} to be removed by the next upkeep")
