"""Embedded mode: every part of the product on loopback, under one supervisor and one data directory.

Home -> servers (PostgreSQL, Valkey) -> migrations -> API and workers -> watch, restart, stop
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import redis
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

import store
from store import migrate, sweeper, tenants
from store.embedded import processes, servers
from store.embedded.home import SERVERS, Home, Secrets, write_private
from store.embedded.processes import Child, Running
from store.session import Database
from store.settings import Settings, as_environment

ROOT = Path(store.__file__).parent.parent
POLL_SECONDS = 0.2
NICENESS = 10  # of computing workers, so that the API answers while they take every core
WORKER_ENVIRONMENT = {
    # Waiting threads sleep instead of spinning: measured 5 - 10 times faster where processes share the cores.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Freed memory stays in the process: measured 15 % faster features (their tensors come and go).
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "HF_HUB_OFFLINE": "1",
    "POT_BACKEND_DISABLE_PYTORCH": "1",  # halves the import of POT
    "TOKENIZERS_PARALLELISM": "false",
}
QUEUES = ("features", "select", "train", "generate", "ops")


class StartFailed(RuntimeError):
    """Embedded mode could not start; the message says which part and what to do."""


class Supervisor:
    """Starts all processes, keeps them alive until told to stop. Not re-entrant."""

    def __init__(
        self, settings: Settings, *, port: int = 0, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.port = port or servers.free_port()
        self.say = say
        self.running: dict[str, Running] = {}
        self.environment: dict[str, str] = {}
        self.stopping = False

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Bring everything up; raises HomeInUse or StartFailed and leaves nothing running then."""
        self.home.acquire()
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def _start_all(self) -> None:
        self._clear_leftovers()
        secrets = self.home.secrets()
        self.environment = self._environment(secrets)
        self._start_database(secrets)
        self._start_broker()
        self._prepare_database(secrets)
        self._launch(self._api())
        for queue in QUEUES:
            self._launch(self._worker(queue))
        servers.wait_until(self._api_ready, "the API", self._log("api"))
        servers_of_ours = {name: self.environment[f"EVOSELECT_{name.upper()}"] for name in SERVERS}
        write_private(self.home.servers, servers_of_ours)
        write_private(self.home.credentials, {"url": self.url, "api_key": secrets.api_key})

    def run(self) -> None:
        """Watch the children until `stopping` is set, restarting those that die."""
        while not self.stopping:
            self.check()
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Say which children died, and start again those whose waiting time is over."""
        for running in list(self.running.values()):
            if running.restart_at is None and running.process.poll() is not None:
                self._schedule_restart(running)
            elif running.restart_at is not None and time.monotonic() >= running.restart_at:
                self._restart(running)

    def stop(self) -> None:
        """Stop children in the reverse order of their start, then let go of the directory."""
        self.stopping = True
        names = [name for name in reversed(self.running) if name not in ("postgres", "valkey")]
        for name in names:
            _ask_to_stop(self.running[name])
        for name in [*names, "valkey", "postgres"]:
            if name in self.running:
                processes.stop(self.running.pop(name))
        if self.home.path.exists():
            (self.home.path / "children.json").unlink(missing_ok=True)
        self.home.release()

    def _schedule_restart(self, running: Running) -> None:
        code = running.process.returncode
        lived = time.monotonic() - running.started
        if lived > processes.STEADY_SECONDS:
            running.backoff = processes.FIRST_BACKOFF
        processes.kill_session(running.process.pid)
        running.restart_at = time.monotonic() + running.backoff
        what = processes.describe_exit(code)
        self.say(f"{running.child.name} (process {running.process.pid}) {what}; starting it again")

    def _restart(self, running: Running) -> None:
        fresh = processes.start(running.child)
        fresh.backoff = min(running.backoff * 2, processes.LONGEST_BACKOFF)
        self.running[running.child.name] = fresh
        self._record_children()
        self.say(f"{running.child.name} runs again (process {fresh.process.pid})")

    def _launch(self, child: Child) -> None:
        self._adopt(processes.start(child))

    def _adopt(self, running: Running) -> None:
        self.running[running.child.name] = running
        self._record_children()
        self.say(f"started {running.child.name} (process {running.process.pid})")

    def _record_children(self) -> None:
        children = {
            name: [running.process.pid, processes.identity(running.process.pid) or 0.0]
            for name, running in self.running.items()
        }
        write_private(self.home.path / "children.json", children)

    def _clear_leftovers(self) -> None:
        path = self.home.path / "children.json"
        if path.exists():
            for name in processes.reap_leftovers(json.loads(path.read_text())):
                self.say(f"ended {name}, left by an earlier run")
            path.unlink()

    def _environment(self, secrets: Secrets) -> dict[str, str]:
        """Every setting of ours, with what embedded mode fills in, as the children will read it."""
        settings = self.settings.model_copy(
            update={
                "home": self.home.path,
                "artifacts_url": self.settings.artifacts_url or f"file://{self.home.path / 'artifacts'}",
                "key_pepper": self.settings.key_pepper or SecretStr(secrets.key_pepper),
                "niceness": NICENESS if self.settings.niceness is None else self.settings.niceness,
            }
        )
        paths = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        return {**WORKER_ENVIRONMENT, **as_environment(settings), **paths}

    def _start_database(self, secrets: Secrets) -> None:
        if self.settings.database_url:
            self._require_database(self.settings.database_url)
            return
        data, password = self.home.path / "postgres", secrets.database_password
        port, running = servers.start_server(
            lambda port: servers.postgres_child(data, port, password, self._log("postgres")),
            lambda port: servers.postgres_answers(servers.postgres_url(port, password)),
        )
        self._adopt(running)
        self.environment["EVOSELECT_DATABASE_URL"] = servers.postgres_url(port, password)

    def _require_database(self, url: str) -> None:
        database = Database(url)
        try:
            database.ping()
        except OperationalError as error:
            reason = str(error.orig).strip()
            raise StartFailed(
                f"the database of EVOSELECT_DATABASE_URL does not answer ({reason}): start it, "
                "or unset the variable so that embedded mode starts its own"
            ) from error
        finally:
            database.dispose()

    def _start_broker(self) -> None:
        if self.settings.redis_url:
            _require_broker(self.settings.redis_url)
            return
        data = self.home.path / "valkey"
        port, running = servers.start_server(
            lambda port: servers.valkey_child(data, port, self._log("valkey")),
            lambda port: servers.redis_answers(servers.valkey_url(port)),
        )
        self._adopt(running)
        self.environment["EVOSELECT_REDIS_URL"] = servers.valkey_url(port)

    def _prepare_database(self, secrets: Secrets) -> None:
        url = self.environment["EVOSELECT_DATABASE_URL"]
        migrate.upgrade(url)
        database = Database(url)
        try:
            with database.transaction() as session:
                tenant = tenants.ensure_tenant(session, tenants.DEFAULT_TENANT)
                pepper = self.environment["EVOSELECT_KEY_PEPPER"]
                tenants.add_key(session, tenant, "embedded", secrets.api_key, pepper)
                if not self.settings.database_url:
                    sweeper.expire_leases(session)  # nobody else works on our own database
        finally:
            database.dispose()

    def _api(self) -> Child:
        arguments = [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment"]
        arguments += ["--host", "127.0.0.1", "--port", str(self.port), "--no-access-log"]
        arguments += ["--timeout-graceful-shutdown", "5"]  # open event streams would hold it for ever
        return Child("api", arguments, self._log("api"), self.environment)

    def _worker(self, queue: str) -> Child:
        arguments = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", queue]
        arguments += ["-n", f"{queue}@%h", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        if queue == "ops":
            arguments += ["-B", "-s", str(self.home.path / "beat-schedule")]
        return Child(f"{queue}-worker", arguments, self._log(f"{queue}-worker"), self.environment)

    def _log(self, name: str) -> Path:
        return self.home.logs / f"{name}.log"

    def _api_ready(self) -> bool:
        if self.running["api"].process.poll() is not None:
            raise StartFailed(
                f"the API {processes.describe_exit(self.running['api'].process.returncode)} at start: "
                f"look at {self._log('api')}"
            )
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def _ask_to_stop(running: Running) -> None:
    if running.process.poll() is None:
        running.process.send_signal(signal.Signals[running.child.stop_signal])


def _require_broker(url: str) -> None:
    client = redis.Redis.from_url(url, socket_connect_timeout=5)
    try:
        client.ping()
    except redis.RedisError as error:
        raise StartFailed(
            f"the broker of EVOSELECT_REDIS_URL does not answer ({error}): start it, "
            "or unset the variable so that embedded mode starts its own"
        ) from error
    finally:
        client.close()
