"""evoselect up, status, down as a user runs them: one directory, one holder, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from evoselect_cli import exits
from evoselect_client import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
COMMAND = [sys.executable, "-c", "from evoselect_cli.main import app; app()"]


def environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVOSELECT_")}
    proxies = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "socks5://127.0.0.1:9",
    }  # nobody listens there
    return {**clean, **proxies, "HOME": str(home.parent)}  # and nothing of ours: the directory is the default


def evoselect(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(home), capture_output=True, text=True, check=False, timeout=90
    )


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A running `evoselect up` and what it printed."""
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "up", "--port", "0", "--json"],
            env=environment(tmp_path / ".evoselect"),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (tmp_path / "up.log").read_text()
    yield process, json.loads(line)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def assert_private(home: Path) -> None:
    """Whatever other accounts of the machine may try."""
    assert home.stat().st_mode & 0o777 == 0o700
    files = [path for path in home.rglob("*") if path.is_file() and "postgres" not in path.parts]
    assert {"api.log", "valkey.conf"} <= {path.name for path in files}
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    broker = json.loads((home / "servers.json").read_text())["redis_url"]
    address = broker.split("@")[1]
    with redis.Redis.from_url(f"redis://{address}") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    lines = [" ".join(one.cmdline()) for one in psutil.process_iter() if one.name() == "valkey-server"]
    assert broker.split(":")[2].split("@")[0] not in " ".join(lines)


def test_up_status_second_up_down(
    up: tuple[subprocess.Popen[str], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, printed = up
    home = tmp_path / ".evoselect"
    assert (home / "credentials.json").stat().st_mode & 0o777 == 0o600
    report = json.loads(evoselect(home, "status", "--json").stdout)
    assert (report["ready"], report["pid"], report["url"]) == (True, process.pid, printed["url"])
    for name in ("EVOSELECT_URL", "EVOSELECT_API_KEY", "EVOSELECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Client() as client:
        assert client.pools.create(name="found by itself").name == "found by itself"
    examined = evoselect(home, "doctor", "--json")
    findings = json.loads(examined.stdout)
    assert [finding for finding in findings if not finding["ok"]] == []
    assert (examined.returncode, len(findings)) == (0, 13)
    second = evoselect(home, "up", "--port", "0")
    assert second.returncode == exits.HELD
    assert str(process.pid) in second.stderr
    refused = evoselect(tmp_path / "another" / ".evoselect", "up", "--port", printed["url"].rsplit(":", 1)[1])
    assert refused.returncode == exits.NOT_STARTED
    assert "is in use by" in refused.stderr
    assert f"process {process.pid}" in refused.stderr  # who, and how it was started
    assert (refused.stdout, (tmp_path / "another" / ".evoselect").exists()) == ("", False)
    assert_private(home)
    tree = psutil.Process(process.pid).children(recursive=True)
    assert len(tree) >= 8  # PostgreSQL, Valkey, the API, five workers
    assert evoselect(home, "down").returncode == 0
    assert process.wait(10) == 0
    assert psutil.wait_procs(tree, timeout=5)[1] == []
    assert not (home / "credentials.json").exists()
    assert evoselect(home, "status").returncode == exits.NO_SERVICE
