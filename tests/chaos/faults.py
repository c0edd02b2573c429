"""What is done to the fleet while it works. Each fault heals itself before it returns.

kill_child kill_parent kill_api kill_relay     SIGKILL
term_parent                                    SIGTERM: the worker gives its shard back
stop_past_lease                                SIGSTOP until another has the shard, then SIGCONT: the fence
hung_child                                     SIGSTOP without an end: deaf like a call that never returns
broker_kill broker_restart broker_flush        Valkey dies, restarts, forgets everything
broker_cut broker_slow                         connections to it break, or crawl
database_restart database_crash                PostgreSQL restarts in order, or by crash recovery
database_cut database_slow                     connections to it break, or crawl
disk_full                                      no process may write to a file
disk_filled                                    the file system has no block left, for the database neither
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import psutil
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from store.tables.jobs import Shard
from store.tables.states import ShardState
from tests.chaos import disks
from tests.chaos.fleet import WORKERS, Fleet
from tests.chaos.proxy import Proxy

SLOW_SECONDS = 0.02  # per piece of data that passes the proxy
DOWN_SECONDS = (0.05, 0.8)
HUNG_SECONDS = 30.0  # after a lease a child is to be ended; where processes starve it takes longer
AWAKE_SECONDS = 0.5  # for a worker that was stopped to try its commit before the history is read
BUSY_SECONDS = 3.0  # that a fault waits for a worker to be at work


@dataclass(frozen=True, slots=True)
class Loss:
    """A shard that a killed worker held: its next claim ends the recovery."""

    job_id: str
    phase: str
    index: int
    attempt: int
    killed_at: float
    """time.time(), which on one machine is the database's clock too."""


def kill_child(fleet: Fleet, rng: Random) -> list[Loss]:
    """The out-of-memory killer's choice."""
    return kill(fleet, fleet.child_pid(busy_worker(fleet, rng)))


def kill_parent(fleet: Fleet, rng: Random) -> list[Loss]:
    """The children die with it."""
    worker = busy_worker(fleet, rng)
    child = fleet.child_pid(worker)
    return kill(fleet, fleet.running[worker].process.pid, child)


def kill_api(fleet: Fleet, rng: Random) -> list[Loss]:
    """Requests in flight get no answer."""
    return kill(fleet, fleet.running["api"].process.pid)


def kill_relay(fleet: Fleet, rng: Random) -> list[Loss]:
    """Nobody publishes for a while."""
    return kill(fleet, fleet.running["relay"].process.pid)


def term_parent(fleet: Fleet, rng: Random) -> list[Loss]:
    """A machine that is taken away with notice."""
    with suppress(ProcessLookupError):
        os.kill(fleet.running[busy_worker(fleet, rng)].process.pid, signal.SIGTERM)
    return []


def stop_past_lease(fleet: Fleet, rng: Random) -> list[Loss]:
    """A machine that sleeps: the worker wakes up and believes that it still holds its shard."""
    worker = busy_worker(fleet, rng)
    pids = [fleet.running[worker].process.pid, fleet.child_pid(worker)]
    for pid in pids:  # the parent first, which would end a child that alone stands still
        _send(pid, signal.SIGSTOP)
    time.sleep(fleet.settings.lease_seconds + 2 * fleet.settings.sweep_seconds + rng.random())
    for pid in reversed(pids):
        _send(pid, signal.SIGCONT)
        time.sleep(AWAKE_SECONDS)
    return []


def hung_child(fleet: Fleet, rng: Random) -> list[Loss]:
    """Its parent has to end it; where somebody else did, that is as good."""
    worker = busy_worker(fleet, rng)
    child = fleet.child_pid(worker)
    deadline = time.monotonic() + HUNG_SECONDS
    while child is not None and _lives(child):
        _send(child, signal.SIGSTOP)  # again and again: stop_past_lease beside it may wake the same worker
        if time.monotonic() > deadline:
            fleet.complaints.append(f"child {child} of {worker} hangs and is not ended")
            _send(child, signal.SIGKILL)
        time.sleep(0.05)
    return []


def broker_kill(fleet: Fleet, rng: Random) -> list[Loss]:
    """Without a chance to write anything."""
    return _restart(fleet, rng, "valkey", signal.SIGKILL)


def broker_restart(fleet: Fleet, rng: Random) -> list[Loss]:
    """In order."""
    return _restart(fleet, rng, "valkey", signal.SIGTERM)


def broker_flush(fleet: Fleet, rng: Random) -> list[Loss]:
    """FLUSHALL."""
    import redis

    with suppress(redis.RedisError), redis.Redis(port=fleet.valkey_proxy.upstream) as client:
        client.flushall()
    return []


def broker_cut(fleet: Fleet, rng: Random) -> list[Loss]:
    """Every connection breaks."""
    fleet.valkey_proxy.cut()
    return []


def broker_slow(fleet: Fleet, rng: Random) -> list[Loss]:
    """Every connection crawls."""
    return _slow(fleet.valkey_proxy, rng)


def database_restart(fleet: Fleet, rng: Random) -> list[Loss]:
    """Sessions are broken off, what was committed is there."""
    return _restart(fleet, rng, "postgres", signal.SIGINT)


def database_crash(fleet: Fleet, rng: Random) -> list[Loss]:
    """As after a power cut: recovery from the log."""
    return _restart(fleet, rng, "postgres", signal.SIGQUIT)


def database_cut(fleet: Fleet, rng: Random) -> list[Loss]:
    """Every connection breaks, some between a commit and its answer."""
    fleet.postgres_proxy.cut()
    return []


def database_slow(fleet: Fleet, rng: Random) -> list[Loss]:
    """Every connection crawls."""
    return _slow(fleet.postgres_proxy, rng)


def disk_full(fleet: Fleet, rng: Random) -> list[Loss]:
    """Writes fail, some half way."""
    pids = [fleet.child_pid(worker) for worker in WORKERS] + [fleet.running["api"].process.pid]
    room = rng.choice((0, 100))
    _limit(pids, room)
    time.sleep(rng.uniform(0.2, 1.0))
    _limit(pids, resource.RLIM_INFINITY)
    return []


def disk_filled(fleet: Fleet, rng: Random) -> list[Loss]:
    """To the last block, which may end PostgreSQL; then somebody makes room."""
    disks.fill(fleet.home)
    try:
        time.sleep(rng.uniform(0.5, 2.0))
    finally:
        disks.free(fleet.home)
    with _servers["postgres"]:
        fleet.revive("postgres")
    return []


KINDS: dict[str, Callable[[Fleet, Random], list[Loss]]] = {
    fault.__name__: fault
    for fault in (
        kill_child,
        kill_parent,
        kill_api,
        kill_relay,
        term_parent,
        stop_past_lease,
        hung_child,
        broker_kill,
        broker_restart,
        broker_flush,
        broker_cut,
        broker_slow,
        database_restart,
        database_crash,
        database_cut,
        database_slow,
        disk_full,
        disk_filled,
    )
}

_servers = {"valkey": threading.Lock(), "postgres": threading.Lock()}


def busy_worker(
    fleet: Fleet, rng: Random, seconds: float = BUSY_SECONDS, phases: Collection[str] | None = None
) -> str:
    """A worker that holds a shard, of these phases or of any, as soon as there is one; after a while any."""
    held = [] if phases is None else [Shard.phase.in_(phases)]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OperationalError), fleet.database.transaction() as session:
            holders = session.scalars(
                select(Shard.worker).where(Shard.state == ShardState.RUNNING, *held)
            ).all()
            busy = [name for name in WORKERS if any(_is(holder, fleet.child_pid(name)) for holder in holders)]
            if busy:
                return rng.choice(busy)
        time.sleep(0.02)
    return rng.choice(WORKERS)


def _send(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is(holder: str | None, pid: int | None) -> bool:
    return holder is not None and holder.endswith(f":{pid}")


def _restart(fleet: Fleet, rng: Random, name: str, number: signal.Signals) -> list[Loss]:
    with _servers[name]:  # two faults of one kind follow one another
        fleet.restart_server(name, number, rng.uniform(*DOWN_SECONDS))
    return []


def _slow(proxy: Proxy, rng: Random) -> list[Loss]:
    proxy.delay = SLOW_SECONDS
    time.sleep(rng.uniform(0.3, 1.0))
    proxy.delay = 0.0
    return []


def _limit(pids: list[int | None], size: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            if pid:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def kill(fleet: Fleet, pid: int | None, holder: int | None = None) -> list[Loss]:
    """SIGKILL, and what shards the process (or its child `holder`) held; none where the database is away."""
    if pid is None or not psutil.pid_exists(pid):
        return []
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    killed_at = time.time()
    suffix = f":{holder or pid}"
    with suppress(Exception), fleet.database.transaction() as session:
        rows = session.scalars(
            select(Shard).where(Shard.state == ShardState.RUNNING, Shard.worker.endswith(suffix))
        )
        return [Loss(row.job_id, row.phase, row.index, row.attempt, killed_at) for row in rows]
    return []
