"""Embedded mode's directory and processes, without the workers' weight."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from store.embedded import processes
from store.embedded.home import Home, HomeInUse, write_private
from store.embedded.processes import Child


def sleeper(name: str, log: Path) -> Child:
    """A process with a child of its own."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    return Child(name, [sys.executable, "-c", code], log)


def wait_for(condition: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def session_members(session: int) -> list[int]:
    return [pid for pid in psutil.pids() if _session(pid) == session]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ProcessLookupError):
        return None


def test_a_second_holder_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.acquire()
    assert Home(tmp_path).holder() == os.getpid()
    with pytest.raises(HomeInUse, match=rf"held by a running embedded mode \(process {os.getpid()}\)"):
        Home(tmp_path).acquire()
    home.release()
    assert Home(tmp_path).holder() is None
    Home(tmp_path).acquire()


def test_secrets_are_made_once_and_only_for_their_owner(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.secrets()
    assert home.secrets() == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    write_private(tmp_path / "other.json", {"a": 1})
    assert (tmp_path / "other.json").stat().st_mode & 0o777 == 0o600


def test_stopping_a_child_ends_its_own_children_too(tmp_path: Path) -> None:
    running = processes.start(sleeper("s", tmp_path / "s.log"))
    session = running.process.pid
    wait_for(lambda: len(session_members(session)) == 2)
    processes.stop(running)
    wait_for(lambda: not session_members(session))


def test_children_of_a_killed_supervisor_are_cleared_by_the_next_one(tmp_path: Path) -> None:
    running = processes.start(sleeper("left", tmp_path / "s.log"))
    pid = running.process.pid
    created = processes.identity(pid)
    assert created is not None
    wait_for(lambda: len(session_members(pid)) == 2)
    assert processes.reap_leftovers({"left": [pid, created]}) == ["left"]
    running.process.wait()
    wait_for(lambda: not session_members(pid))


def test_orphans_of_a_dead_child_are_cleared_and_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    running = processes.start(sleeper("dead", tmp_path / "s.log"))
    pid, created = running.process.pid, processes.identity(running.process.pid)
    assert created is not None
    wait_for(lambda: len(session_members(pid)) == 2)
    os.kill(pid, signal.SIGKILL)
    running.process.wait()
    assert len(session_members(pid)) == 1
    processes.reap_leftovers({"dead": [pid, created]})
    wait_for(lambda: not session_members(pid))
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    try:
        assert processes.reap_leftovers({"other": [bystander.pid, created]}) == []
        with pytest.raises(subprocess.TimeoutExpired):
            bystander.wait(0.5)
    finally:
        bystander.kill()
        bystander.wait()
