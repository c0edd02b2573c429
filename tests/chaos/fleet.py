"""The whole product under test: servers, proxies before them, API, two workers, relay. All real processes."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr

import store
from embedded import processes, servers
from embedded.processes import Child, Running
from store import migrate
from store.accounts import tenants
from store.artifacts import Artifacts
from store.session import Database
from store.settings import Settings, as_environment
from tests.chaos.proxy import Proxy

ROOT = Path(store.__file__).parent.parent
PASSWORD = "secret"
PEPPER = "pepper-of-the-chaos"
WORKERS = ("worker-a", "worker-b")
SERVERS = ("postgres", "valkey")
LOOK_SECONDS = 0.05
START_SECONDS = 180.0  # of the API, beside workers that start and whatever else a machine does
TEST_SETTINGS = {
    "lease_seconds": 1.5,
    "heartbeat_seconds": 0.3,
    "sweep_seconds": 0.3,
    "relay_seconds": 0.1,
    "poll_seconds": 0.5,
    "notify_again_seconds": 2.0,
    "shutdown_seconds": 1.0,
    "retry_delay_seconds": 0.1,
    "max_attempts": 50,
    "shard_rows": 2,
}


@dataclass
class Tenant:
    """Who submits."""

    id: str
    key: str


@dataclass
class Fleet:
    """What runs, and how to reach it."""

    home: Path
    settings: Settings
    database: Database
    """Reaches the server directly, past the proxy."""
    postgres_proxy: Proxy
    valkey_proxy: Proxy
    running: dict[str, Running]
    port: int
    tenants: list[Tenant]
    environment: dict[str, str]
    ending: bool = False
    unfillable: str = ""
    """Why its disk cannot be filled, or nothing."""
    complaints: list[str] = field(default_factory=list)
    """What faults saw that should not have been, as sentences."""
    changing: threading.Lock = field(default_factory=threading.Lock)
    """Held while processes are replaced: what has died is started by one thread alone."""

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def artifacts(self) -> Artifacts:
        """The store that the workers write to."""
        return Artifacts(self.settings.artifacts_url)

    def child_pid(self, worker: str) -> int | None:
        """The process below a worker's parent that does the work."""
        with suppress(psutil.Error):
            for child in psutil.Process(self.running[worker].process.pid).children():
                if "spawn_main" in " ".join(child.cmdline()):
                    return child.pid
        return None

    def restart_server(self, name: str, number: signal.Signals, seconds: float) -> None:
        """End a server, leave it down for a while, start it on the same port over the same data."""
        old = self.running[name]
        old.process.send_signal(number)
        old.process.wait()
        processes.kill_session(old.process.pid)
        time.sleep(seconds)
        self.running[name] = processes.start(old.child)
        self.revive(name)

    def revive(self, name: str) -> None:
        """Start a server again that has ended by itself, until it answers."""
        servers.wait_until(lambda: self._answers(name), name, self.running[name].child.log)

    def _answers(self, name: str) -> bool:
        running = self.running[name]
        if running.process.poll() is not None:  # crash recovery may refuse a first start
            self.running[name] = processes.start(running.child)
        if name == "postgres":
            return servers.postgres_answers(servers.postgres_url(self.postgres_proxy.upstream, PASSWORD))
        return servers.redis_answers(servers.valkey_url(self.valkey_proxy.upstream))

    def keep(self) -> None:
        """Start again what died, at once; until the fleet ends."""
        while not self.ending:
            with self.changing:
                for name, running in list(self.running.items()):
                    if name not in SERVERS and running.process.poll() is not None:
                        processes.kill_session(running.process.pid)
                        self.running[name] = processes.start(running.child)
            time.sleep(LOOK_SECONDS)

    def change_workers(self, variables: Mapping[str, str]) -> None:
        """Workers and relay die and come back with other variables; servers and API stay."""
        with self.changing:
            for name in (*WORKERS, "relay"):
                child = self.running[name].child
                kill(self.running[name])
                child = replace(child, environment={**child.environment, **variables})
                self.running[name] = processes.start(child)

    def change_worker(self, name: str, variables: Mapping[str, str], seconds: float) -> None:
        """A worker dies, comes back with other variables for a while, and then as it was."""
        own = self.running[name].child
        other = replace(own, environment={**own.environment, **variables})
        for child, wait in ((other, seconds), (own, 0.0)):
            with self.changing:
                kill(self.running[name])
                self.running[name] = processes.start(child)
            time.sleep(wait)

    def wait_for_api(self) -> None:
        """Until the API answers."""
        servers.wait_until(self._api_answers, "the API", self.home / "api.log", START_SECONDS)

    def _api_answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def kill(running: Running) -> None:
    """End a process and what it started, at once."""
    running.process.kill()
    running.process.wait()
    processes.kill_session(running.process.pid)


@contextmanager
def fleet(
    home: Path,
    *,
    workers: Sequence[str] = WORKERS,
    variables: Mapping[str, str] | None = None,
    proxied: bool = True,
    **settings: object,
) -> Iterator[Fleet]:
    """Everything, until the block ends. `variables` reach the worker of tests.chaos.app.

    A benchmark goes past the proxies: they would cost it half a core.
    """
    running: dict[str, Running] = {}
    try:
        made = _start(home, running, workers, variables or {}, proxied, {**TEST_SETTINGS, **settings})
        keeper = threading.Thread(target=made.keep, daemon=True)
        keeper.start()
        try:
            made.wait_for_api()
            yield made
        finally:  # whatever happened: a keeper that goes on would start again what is stopped below
            made.ending = True
            keeper.join()
    finally:
        for name in reversed(list(running)):
            if name in SERVERS:
                processes.stop(running[name], seconds=3.0)
            else:
                kill(running[name])


def _start(
    home: Path,
    running: dict[str, Running],
    workers: Sequence[str],
    variables: Mapping[str, str],
    proxied: bool,
    settings: dict[str, object],
) -> Fleet:
    postgres_port, running["postgres"] = servers.start_server(
        lambda port: servers.postgres_child(home / "postgres", port, PASSWORD, home / "postgres.log"),
        lambda port: servers.postgres_answers(servers.postgres_url(port, PASSWORD)),
    )
    valkey_port, running["valkey"] = servers.start_server(
        lambda port: servers.valkey_child(home / "valkey", port, home / "valkey.log"),
        lambda port: servers.redis_answers(servers.valkey_url(port)),
    )
    direct = servers.postgres_url(postgres_port, PASSWORD)
    migrate.upgrade(direct)
    postgres_proxy, valkey_proxy = Proxy(postgres_port), Proxy(valkey_port)
    configured = Settings(
        home=home,
        database_url=servers.postgres_url(postgres_proxy.port if proxied else postgres_port, PASSWORD),
        redis_url=servers.valkey_url(valkey_proxy.port if proxied else valkey_port),
        artifacts_url=f"file://{home}/artifacts",
        key_pepper=SecretStr(PEPPER),
        **settings,  # type: ignore[arg-type]
    )
    environment = {
        **as_environment(configured),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        **variables,
    }
    database, port = Database(direct), servers.free_port()
    made = Fleet(
        home,
        configured,
        database,
        postgres_proxy,
        valkey_proxy,
        running,
        port,
        [_tenant(database, name) for name in ("one", "two")],
        environment,
    )
    for child in (_api(home, port, environment), *_workers(home, workers, environment)):
        running[child.name] = processes.start(child)
    return made


def _tenant(database: Database, name: str) -> Tenant:
    key = tenants.generate_key()
    with database.transaction() as session:
        tenant_id = tenants.ensure_tenant(session, name)
        tenants.add_key(session, tenant_id, name=name, secret=key, pepper=PEPPER)
    return Tenant(tenant_id, key)


def _api(home: Path, port: int, environment: dict[str, str]) -> Child:
    arguments = [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    arguments += ["--http", "service.protocol:Protocol"]
    return Child("api", arguments, home / "api.log", environment)


def _workers(home: Path, names: Sequence[str], environment: dict[str, str]) -> Iterator[Child]:
    for name, queues in [*((name, "features,select") for name in names), ("relay", "ops")]:
        arguments = [sys.executable, "-m", "celery", "-A", "tests.chaos.app", "worker", "-Q", queues]
        arguments += ["-n", f"{name}@%h", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        if queues == "ops":
            arguments += ["-B"]
        yield Child(name, arguments, home / f"{name}.log", environment)
