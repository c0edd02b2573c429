"""Real servers for the suite: a PostgreSQL for store tests, the whole embedded mode for the rest."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from embedded import processes, servers
from embedded.supervisor import Supervisor
from store import migrate
from store.accounts import tenants
from store.kit.ids import new_id
from store.session import Database
from store.settings import Settings

TEMPLATE = "migrated"
os.environ.setdefault("EVOSELECT_COMPUTE_PROCESSES", "1")  # two test processes share two cores already


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL, started from its wheel for this run."""
    home = tmp_path_factory.mktemp("postgres-home")
    port, running = servers.start_server(
        lambda port: servers.postgres_child(home / "postgres", port, "secret", home / "postgres.log"),
        lambda port: servers.postgres_answers(servers.postgres_url(port, "secret")),
    )
    yield servers.postgres_url(port, "secret")
    processes.stop(running)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Valkey."""
    home = tmp_path_factory.mktemp("valkey")
    port, running = servers.start_server(
        lambda port: servers.valkey_child(home / "valkey", port, home / "valkey.log"),
        lambda port: servers.redis_answers(servers.valkey_url(port)),
    )
    yield servers.valkey_url(port)
    processes.stop(running)


@pytest.fixture(scope="session")
def migrated(postgres: str) -> str:
    """The same server, with a database at the newest migration to copy from."""
    _administer(postgres, f"create database {TEMPLATE}")
    migrate.upgrade(_database_url(postgres, TEMPLATE))
    return postgres


@pytest.fixture
def database_url(migrated: str) -> str:
    """URL of a fresh, migrated database."""
    name = new_id("test")
    _administer(migrated, f"create database {name} template {TEMPLATE}")
    return _database_url(migrated, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def tenant(database: Database) -> str:
    """The id of a tenant in the fresh database."""
    with database.transaction() as session:
        return tenants.ensure_tenant(session, "test")


@dataclass(frozen=True)
class Stack:
    """The whole product, running."""

    url: str
    api_key: str
    supervisor: Supervisor

    def worker_pid(self, queue: str) -> int:
        """The pid of a queue's worker parent."""
        return self.supervisor.running[f"{queue}-worker"].process.pid


def start_stack(home: Path, lines: list[str], **settings: object) -> tuple[Stack, threading.Thread]:
    """Start embedded mode with short leases; its watch loop runs in a thread."""
    short = {
        "lease_seconds": 8.0,
        "heartbeat_seconds": 0.5,
        "sweep_seconds": 1.0,
        "relay_seconds": 0.2,
        "notify_again_seconds": 5.0,
        "checkpoint_seconds": 1.0,
    }
    values = {**short, **settings}
    supervisor = Supervisor(Settings(home=home, **values), say=lines.append)  # type: ignore[arg-type]
    supervisor.start()
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    return Stack(supervisor.url, supervisor.home.secrets().api_key, supervisor), thread


def stop_stack(stack: Stack, thread: threading.Thread) -> None:
    """Stop everything that start_stack started."""
    stack.supervisor.stopping = True
    thread.join()
    stack.supervisor.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Embedded mode for the whole run: API, workers, PostgreSQL and Valkey are real processes."""
    home = tmp_path_factory.mktemp("home")
    endpoints = home / "endpoints.json"  # read at each use: tests write into it
    endpoints.write_text("{}")
    stack, thread = start_stack(home, [], endpoints=endpoints, generator_networks="127.0.0.0/8")
    yield stack
    stop_stack(stack, thread)


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement.encode())


def _database_url(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + f"/{name}"
