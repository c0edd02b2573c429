"""What runs in the namespaces: servers, API, ops, select and feature workers, each in its own directory."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import fsspec
import httpx
import psutil
from pydantic import SecretStr

import store
from benchmarks.fleet.networks import Machine, Network
from embedded import processes, servers
from embedded.processes import Child, Running
from store import migrate
from store.accounts import tenants
from store.artifacts import Artifacts
from store.session import Database
from store.settings import Settings, as_environment

ROOT = Path(store.__file__).parent.parent
SERVERS = ("postgres", "valkey", "s3")
WORKERS = ("w0", "w1", "w2", "w3")
NAMES = (*SERVERS, "api", "ops", "select", *WORKERS)
POSTGRES, VALKEY, S3, API = 5432, 6379, 5000, 8000
BUCKET = "fleet"
START_SECONDS = 180.0  # of the API, where a machine is busy
SETTINGS = {
    "lease_seconds": 45.0,  # a child that imports or converts holds the interpreter's lock for a while
    "heartbeat_seconds": 2.0,
    "sweep_seconds": 1.0,
    "poll_seconds": 1.0,
    "retry_delay_seconds": 1.0,
    "shard_rows": 16,
    "block_rows": 4,
    "disk_reserve_share": 0.0,
}


@dataclass
class Machines:
    """What runs where."""

    folder: Path
    network: Network
    settings: Settings
    running: dict[str, Running]

    @cached_property
    def database(self) -> Database:
        """By the server's address."""
        return Database(self.settings.database_url)

    @property
    def artifacts(self) -> Artifacts:
        """By the server's address."""
        return Artifacts(self.settings.artifacts_url)

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://{self.network.machines['api'].address}:{API}"

    def log(self, name: str) -> str:
        """What a machine has said."""
        return (self.folder / name / "log").read_text(errors="replace")

    def holder(self, worker: str | None) -> str | None:
        """The machine whose process a shard's row names."""
        pid = int((worker or ":0").rpartition(":")[2])
        for name in WORKERS:
            if name in self.running and pid in _pids(self.running[name]):
                return name
        return None

    def key(self, tenant: str) -> str:
        """A new tenant's."""
        secret, pepper = tenants.generate_key(), self.settings.key_pepper.get_secret_value()
        with self.database.transaction() as session:
            tenant_id = tenants.ensure_tenant(session, tenant)
            tenants.add_key(session, tenant_id, name=tenant, secret=secret, pepper=pepper)
        return secret

    def kill(self, name: str) -> None:
        """SIGKILL of everything on a machine, for good."""
        _kill(self.running.pop(name))

    def stop(self, name: str) -> None:
        """In order."""
        processes.stop(self.running.pop(name))


def _kill(running: Running) -> None:
    running.process.kill()
    running.process.wait()
    processes.kill_session(running.process.pid)


def _pids(running: Running) -> list[int]:
    try:
        parent = psutil.Process(running.process.pid)
        return [parent.pid, *(child.pid for child in parent.children(recursive=True))]
    except psutil.Error:
        return []


@contextmanager
def machines(folder: Path, network: Network, held_bytes: int) -> Iterator[Machines]:
    """All of them, until the block ends."""
    password, running = secrets.token_hex(8), dict[str, Running]()
    found = network.machines
    settings = Settings(
        database_url=servers.postgres_url(POSTGRES, password).replace("127.0.0.1", found["postgres"].address),
        redis_url=servers.valkey_url(VALKEY, password).replace("127.0.0.1", found["valkey"].address),
        artifacts_url=f"s3://{BUCKET}/artifacts",
        key_pepper=SecretStr(secrets.token_hex(16)),
        **SETTINGS,  # type: ignore[arg-type]
    )
    made = Machines(folder, network, settings, running)
    try:
        _start_servers(made, password)
        for name in ("api", "ops", "select", *WORKERS):
            arguments = _api(found[name]) if name == "api" else _worker(name)
            variables = {**environment_of(made, name), "FLEET_HELD_BYTES": f"{held_bytes}"}
            child = Child(name, found[name].inside(arguments), folder / name / "log", variables)
            running[name] = processes.start(child)
            if name == "api":
                servers.wait_until(lambda: _ready(made.url), name, child.log, START_SECONDS)
        yield made
    finally:
        made.database.dispose()
        for name in reversed(list(running)):
            (processes.stop if name in SERVERS else _kill)(running.pop(name))


def _start_servers(made: Machines, password: str) -> None:
    for name in NAMES:
        (made.folder / name).mkdir()
        converted = Settings().model_cache
        if name in WORKERS and converted.exists():  # a copy of its own, which it would make itself
            shutil.copytree(converted, made.folder / name / "models")
    at = {name: made.network.machines[name] for name in SERVERS}
    folder = {name: made.folder / name for name in SERVERS}
    postgres = servers.postgres_child(
        folder["postgres"] / "data", POSTGRES, password, folder["postgres"] / "log"
    )
    with (folder["postgres"] / "data" / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {made.network.subnet} scram-sha-256\n")
    valkey = servers.valkey_child(folder["valkey"] / "data", VALKEY, folder["valkey"] / "log", password)
    s3 = [sys.executable, "-m", "moto.server", "-H", at["s3"].address, "-p", f"{S3}"]
    children = {"postgres": postgres, "valkey": valkey, "s3": Child("s3", s3, folder["s3"] / "log")}
    for name, child in children.items():
        made.running[name] = processes.start(_moved(child, at[name]))
    os.environ |= _of_bucket(made.network)
    ready: dict[str, Callable[[], bool]] = {
        "postgres": lambda: servers.postgres_answers(made.settings.database_url),
        "valkey": lambda: servers.redis_answers(made.settings.redis_url),
        "s3": _makes_bucket,
    }
    for name, answers in ready.items():
        servers.wait_until(answers, name, folder[name] / "log")
    migrate.upgrade(made.settings.database_url)


def _moved(child: Child, machine: Machine) -> Child:
    """The same server on a machine, at its address; as another account it is changed to there."""
    arguments = [machine.address if word == "127.0.0.1" else word for word in child.arguments]
    if child.user:
        drop = [f"--reuid={child.user}", f"--regid={child.user}", "--clear-groups"]
        arguments = ["setpriv", *drop, *arguments]
    return replace(child, arguments=machine.inside(arguments), user=None)


def _of_bucket(network: Network) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{network.machines['s3'].address}:{S3}",
        "AWS_ACCESS_KEY_ID": "evoselect",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _makes_bucket() -> bool:
    try:
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
    except OSError:
        return False
    return True


def environment_of(made: Machines, name: str) -> dict[str, str]:
    """The settings of all, with a home and a cache of models that are this machine's alone."""
    own = {"home": made.folder / name / "home", "model_cache": made.folder / name / "models"}
    return {
        **as_environment(made.settings.model_copy(update=own)),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }


def _api(machine: Machine) -> list[str]:
    arguments = [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment"]
    arguments += ["--host", machine.address, "--port", f"{API}", "--no-access-log"]
    return [*arguments, "--http", "service.protocol:Protocol"]


def _worker(name: str) -> list[str]:
    queue = name if name in ("ops", "select") else "features"
    arguments = [sys.executable, "-m", "celery", "-A", "benchmarks.fleet.lowered", "worker", "-Q", queue]
    arguments += ["-n", f"{name}@%h", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    return [*arguments, *(["-B"] if queue == "ops" else [])]


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def reached_by_loopback(made: Machines) -> list[str]:
    """Servers that answer at 127.0.0.1, from here or from a feature worker's machine: there must be none."""
    found = []
    for name, port in (("postgres", POSTGRES), ("valkey", VALKEY), ("s3", S3), ("api", API)):
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        for where in ([], made.network.machines["w0"].inside([])):
            done = subprocess.run([*where, sys.executable, "-c", script], capture_output=True, check=False)
            if done.returncode == 0:
                found.append(f"{name} from {where[-1] if where else 'here'}")
    return found
