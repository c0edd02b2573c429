"""The API as users run it: one uvicorn process over a real PostgreSQL and a real Valkey, without workers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from embedded import processes, servers
from embedded.processes import Child, Running
from store import migrate
from store.accounts import tenants
from store.session import Database
from store.settings import Settings, as_environment

PEPPER = "pepper-of-the-benchmarks"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Served:
    """Where the API listens, the key of one tenant, and what stands behind it."""

    url: str
    api_key: str
    tenant_id: str
    settings: Settings
    process: subprocess.Popen[bytes]

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates a request."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The resource that a POST makes."""
        answer = httpx.post(f"{self.url}{path}", json=body, headers=self.headers, timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def another_key(self, tenant: str) -> str:
        """The admin key of another tenant, made when it is new."""
        return _tenant_with_key(self.settings.database_url, tenant)[1]


@contextmanager
def served(home: Path, **settings: Any) -> Iterator[Served]:
    """The API until the block ends; everything of it lies below `home`."""
    running: list[Running] = []
    try:
        port, postgres = servers.start_server(
            lambda port: servers.postgres_child(home / "postgres", port, "secret", home / "postgres.log"),
            lambda port: servers.postgres_answers(servers.postgres_url(port, "secret")),
        )
        running.append(postgres)
        database_url = servers.postgres_url(port, "secret")
        port, valkey = servers.start_server(
            lambda port: servers.valkey_child(home / "valkey", port, home / "valkey.log"),
            lambda port: servers.redis_answers(servers.valkey_url(port)),
        )
        running.append(valkey)
        migrate.upgrade(database_url)
        configured = Settings(
            home=home,
            database_url=database_url,
            redis_url=servers.valkey_url(port),
            artifacts_url=f"file://{home}/artifacts",
            key_pepper=SecretStr(PEPPER),
            **settings,
        )
        tenant_id, secret = _tenant_with_key(database_url, "benchmark")
        port, api = servers.start_server(lambda port: _api(home, port, configured), _answers)
        running.append(api)
        yield Served(f"http://127.0.0.1:{port}", secret, tenant_id, configured, api.process)
    finally:
        for child in reversed(running):
            processes.stop(child)


def _api(home: Path, port: int, settings: Settings) -> Child:
    arguments = [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    arguments += ["--http", "service.protocol:Protocol"]
    environment = {**as_environment(settings), "PYTHONPATH": str(ROOT)}
    return Child("api", arguments, home / "api.log", environment)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _tenant_with_key(database_url: str, name: str) -> tuple[str, str]:
    database, secret = Database(database_url), tenants.generate_key()
    with database.transaction() as session:
        tenant_id = tenants.ensure_tenant(session, name)
        tenants.add_key(session, tenant_id, name="benchmark", secret=secret, pepper=PEPPER)
    database.dispose()
    return tenant_id, secret
