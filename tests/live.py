"""A live API over real HTTP: uvicorn in a thread, on a real PostgreSQL, without workers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
import uvicorn

from embedded import servers
from service.app import create_app
from service.protocol import Protocol
from store.accounts import tenants
from store.kit.ids import new_id
from store.session import Database
from store.settings import Settings
from tests.conftest import TEMPLATE

PEPPER = "pepper-of-the-tests"
CLIENT = httpx.Client(timeout=30)  # one for all tests: making a client takes longer than a request
Json = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """Where the API listens, one tenant's key, and the database behind it."""

    url: str
    api_key: str
    settings: Settings
    database: Database
    tenant_id: str

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request with the tenant's key."""
        headers = {"Authorization": f"Bearer {self.api_key}", **options.pop("headers", {})}
        return CLIENT.request(method, f"{self.url}{path}", headers=headers, **options)

    def post(self, path: str, body: object) -> httpx.Response:
        """POST a JSON body."""
        return self.call("POST", path, json=body)

    def get(self, path: str) -> Json:
        """The decoded answer of a GET that succeeds."""
        response = self.call("GET", path)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    def made(self, path: str, body: object) -> Json:
        """The resource that a POST makes."""
        response = self.post(path, body)
        assert response.is_success, response.text
        found: Json = response.json()
        return found


def another_tenant(api: Api) -> Api:
    """The same service, seen by a new tenant with an admin key."""
    secret = tenants.generate_key()
    with api.database.transaction() as session:
        tenant_id = tenants.ensure_tenant(session, new_id("test"))
        tenants.add_key(
            session, tenant_id, name="test", secret=secret, pepper=api.settings.key_pepper.get_secret_value()
        )
    return replace(api, api_key=secret, tenant_id=tenant_id)


@contextmanager
def serve(database_url: str, home: Path, **settings: Any) -> Iterator[Api]:
    """The API until the block ends."""
    values = {
        "database_url": database_url,
        "redis_url": "redis://127.0.0.1:1",
        "key_pepper": PEPPER,
        "max_jobs": 10_000,  # no worker ends the jobs of a whole run
        **settings,
    }
    configured = Settings(home=home, artifacts_url=f"file://{home}/artifacts", **values)
    database, secret = Database(database_url), tenants.generate_key()
    with database.transaction() as session:
        tenant_id = tenants.ensure_tenant(session, "test")
        tenants.add_key(session, tenant_id, name="test", secret=secret, pepper=PEPPER)
    port = servers.free_port()
    config = uvicorn.Config(create_app(configured), port=port, log_level="warning", http=Protocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        servers.wait_until(lambda: server.started, "uvicorn", home / "none.log")
        yield Api(f"http://127.0.0.1:{port}", secret, configured, database, tenant_id)
    finally:
        server.should_exit = True
        thread.join()
        database.dispose()


@pytest.fixture(scope="session")
def api(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A live API over a database of its own, shared by the tests of one folder."""
    name = new_id("api")
    with psycopg.connect(migrated.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE}".encode())
    with serve(migrated.rsplit("/", 1)[0] + f"/{name}", tmp_path_factory.mktemp("api")) as live:
        yield live


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds; fails where it does not in that time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def question(number: int, **more: Any) -> Json:
    """A valid record."""
    return {"prompt": f"{number} + {number}?", "completion": str(2 * number), **more}


def lines(*records: Json | str | bytes) -> bytes:
    """NDJSON; text and bytes go in as they are."""
    encoded = [orjson.dumps(item) if isinstance(item, dict) else item for item in records]
    return b"".join((item.encode() if isinstance(item, str) else item) + b"\n" for item in encoded)
