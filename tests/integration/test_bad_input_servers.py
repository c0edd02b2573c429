"""A database that is down or of another shape: a clear sentence and an exit code, later a problem."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psycopg
import uvicorn

from embedded import servers
from evoselect_cli import exits
from service.app import create_app
from store.accounts import tenants
from store.kit.exits import EXIT_CONFIGURATION, EXIT_UNAVAILABLE
from store.kit.ids import new_id
from store.settings import Settings

DEAD = "postgresql+psycopg://nobody:s3cret@127.0.0.1:{port}/none"


def start_api(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the API as a server would; it must end by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVOSELECT_")}
    settings = {
        "EVOSELECT_HOME": str(home),
        "EVOSELECT_REDIS_URL": "redis://127.0.0.1:1",
        "EVOSELECT_ARTIFACTS_URL": f"file://{home}",
        "EVOSELECT_KEY_PEPPER": "p",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment", "--port", "0"],
        env={**clean, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_api_says_that_the_database_is_down(tmp_path: Path) -> None:
    done = start_api(tmp_path, EVOSELECT_DATABASE_URL=DEAD.format(port=servers.free_port()))
    assert done.returncode == EXIT_UNAVAILABLE
    assert "evoselect: the database does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_the_api_says_which_setting_is_missing(tmp_path: Path) -> None:
    done = start_api(tmp_path)
    assert done.returncode == EXIT_CONFIGURATION
    assert "EVOSELECT_DATABASE_URL is not set" in done.stderr


def test_the_api_refuses_a_database_without_our_tables(migrated: str, tmp_path: Path) -> None:
    name = new_id("bare")
    with psycopg.connect(migrated.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    done = start_api(tmp_path, EVOSELECT_DATABASE_URL=migrated.rsplit("/", 1)[0] + f"/{name}")
    assert done.returncode == EXIT_CONFIGURATION
    assert "store.migrate" in done.stderr


def test_a_worker_refuses_a_database_without_our_tables(migrated: str, tmp_path: Path) -> None:
    name = new_id("bare")
    with psycopg.connect(migrated.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    variables = {
        "EVOSELECT_HOME": str(tmp_path),
        "EVOSELECT_DATABASE_URL": migrated.rsplit("/", 1)[0] + f"/{name}",
        "EVOSELECT_REDIS_URL": "redis://127.0.0.1:1",
        "EVOSELECT_ARTIFACTS_URL": f"file://{tmp_path}",
        "EVOSELECT_KEY_PEPPER": "p",
    }
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "select"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    assert "store.migrate" in done.stderr


def test_embedded_mode_says_that_the_named_database_is_down(tmp_path: Path) -> None:
    url = DEAD.format(port=servers.free_port())
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from evoselect_cli.main import app; app()",
            "up",
            "--home",
            str(tmp_path / "home"),
        ],
        env={**os.environ, "EVOSELECT_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == exits.NOT_STARTED
    assert "EVOSELECT_DATABASE_URL does not answer" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_a_database_that_goes_away_is_a_503(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        database_url=DEAD.format(port=servers.free_port()),
        redis_url="redis://127.0.0.1:1",
        artifacts_url=f"file://{tmp_path}",
        key_pepper="p",
    )
    port = servers.free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        servers.wait_until(lambda: server.started, "uvicorn", tmp_path / "none.log")
        key = {"Authorization": f"Bearer {tenants.generate_key()}"}
        for path in ("/readyz", "/v1/targets"):
            answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=key, timeout=30)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["retry-after"]
        assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    finally:
        server.should_exit = True
        thread.join()
