"""Secrets of a running product stand in two private files and in the children's environment, nowhere else."""

from pathlib import Path

import httpx
import psutil
import pytest
import redis
from kombu.connection import Connection

from embedded import servers
from tests.conftest import Stack
from tests.live import eventually, question

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> list[bytes]:
    """The embedded mode's own secrets, and a second key, after work and refusals that mention them all."""
    own = stack.supervisor.home.secrets()
    headers = {"Authorization": f"Bearer {own.api_key}"}
    with httpx.Client(base_url=f"{stack.url}/v1", headers=headers, timeout=60) as client:
        made = client.post("/api_keys", json={"name": "second", "scopes": ["select:read"]}).json()["secret"]
        refused = client.post("/pools", json={}, headers={"Authorization": f"Bearer {made}"})
        assert refused.status_code == httpx.codes.FORBIDDEN
        wrong = client.get("/pools", headers={"Authorization": f"Bearer {made[:-1]}?"})
        assert wrong.status_code == httpx.codes.UNAUTHORIZED
        job = client.post(
            "/selections",
            json={"target": [question(1)], "candidates": [question(2)], "k": 1, "method": "random"},
        ).json()
        eventually(lambda: client.get(f"/selections/{job['id']}", params={"wait": 50}).json()["done"], 200)
        answers = refused.content + wrong.content + client.get("/audit_events").content
    found = [own.api_key, own.key_pepper, own.database_password, made]
    assert not [secret for secret in found if secret.encode() in answers]
    return [secret.encode() for secret in found]


def test_no_log_holds_a_secret(stack: Stack, secrets: list[bytes]) -> None:
    logs = list(stack.supervisor.home.logs.glob("*.log"))
    assert {path.stem for path in logs} >= {"api", "features-worker", "ops-worker", "postgres", "valkey"}
    for path in logs:
        content = path.read_bytes()
        assert not [place for place, secret in enumerate(secrets) if secret in content], path


def test_no_process_argument_is_a_secret(stack: Stack, secrets: list[bytes]) -> None:
    processes = [psutil.Process(child.process.pid) for child in stack.supervisor.running.values()]
    processes += [below for process in processes for below in process.children(recursive=True)]
    assert len(processes) > 8
    for process in processes:
        arguments = "\0".join(process.cmdline()).encode()
        assert not [place for place, secret in enumerate(secrets) if secret in arguments], process


def test_a_message_that_is_no_json_is_never_loaded(stack: Stack, tmp_path: Path) -> None:
    """A pickle is a program: this one would leave a file."""
    left, url = tmp_path / "left", stack.supervisor.environment["EVOSELECT_REDIS_URL"]
    headers = {"task": "shards.ring", "id": "hostile", "lang": "py"}
    log = stack.supervisor.home.logs / "ops-worker.log"
    with Connection(url) as connection:  # type: ignore[no-untyped-call]
        producer = connection.Producer(serializer="pickle")
        producer.publish(_Program(left), routing_key="ops", headers=headers)
        queue = connection.default_channel.client
        servers.wait_until(lambda: queue.llen("ops") == 0, "the ops worker", log)
    servers.wait_until(lambda: b"ContentDisallowed" in log.read_bytes(), "the refusal", log)
    assert not left.exists()


class _Program:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._path,)


def test_no_message_of_the_broker_holds_a_secret(stack: Stack, secrets: list[bytes]) -> None:
    folder = stack.supervisor.home.path / "valkey"
    client = redis.Redis.from_url(stack.supervisor.environment["EVOSELECT_REDIS_URL"])
    client.bgrewriteaof()
    client.close()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix in (".aof", ".rdb") for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [place for place, secret in enumerate(secrets) if secret in content], path
