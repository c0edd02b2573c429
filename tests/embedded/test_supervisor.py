"""Embedded mode's directory and processes, without the workers' weight."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from embedded import cores, processes, servers, sockets
from embedded.children import MOST_RESTARTS, Children, GaveUp
from embedded.home import Home, HomeInUse, UnsafeHome, write_private
from embedded.processes import Child
from embedded.supervisor import Supervisor
from store.settings import Settings
from tests.chaos import disks

HOLDS = """
import socket, time
held = socket.create_server(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
time.sleep(600)
"""
TOO_MUCH = "insert into kept select repeat('x', 2000) from generate_series(1, 100000)"  # 200 MB


def sleeper(name: str, log: Path) -> Child:
    """A process with a child of its own."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    return Child(name, [sys.executable, "-c", code], log)


def wait_for(condition: object, seconds: float = 60.0) -> None:
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


def test_a_directory_of_ours_is_closed_and_one_of_strangers_is_refused(tmp_path: Path) -> None:
    ours, theirs, empty = (tmp_path / name for name in ("ours", "theirs", "empty"))
    for folder in (ours, theirs, empty):
        folder.mkdir()
        folder.chmod(0o755)
    (ours / "lock").touch()  # of an earlier release, which left it open
    (theirs / "notes.txt").touch()
    for folder in (ours, empty, tmp_path / "new"):
        Home(folder).acquire()
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(UnsafeHome, match=r"open to other accounts \(mode 755\).*chmod 700"):
        Home(theirs).acquire()
    assert (theirs.stat().st_mode & 0o777, sorted(theirs.iterdir())) == (0o755, [theirs / "notes.txt"])
    if os.geteuid() == 0:
        os.chown(empty, 65534, 65534)
        with pytest.raises(UnsafeHome, match="belongs to account 65534"):
            Home(empty).acquire()


def test_secrets_of_an_earlier_release_are_completed(tmp_path: Path) -> None:
    write_private(tmp_path / "secrets.json", {"database_password": "d", "key_pepper": "p", "api_key": "k"})
    first = Home(tmp_path).secrets()
    assert (first.database_password, first.key_pepper, first.api_key) == ("d", "p", "k")
    assert first.broker_password
    assert Home(tmp_path).secrets() == first


def test_a_port_that_another_program_holds_is_named_with_it() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        with pytest.raises(sockets.PortInUse, match=rf"port {port} is in use by .*process {holder.pid}"):
            sockets.listen(port)
    finally:
        holder.kill()
        holder.wait()
    sockets.listen(port).close()


def dying(tmp_path: Path, *, patient: bool) -> tuple[Children, list[str]]:
    lines: list[str] = []
    children = Children(lines.append, lambda: patient)
    children.launch(Child("brief", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "brief.log"))
    return children, lines


def hurry(children: Children) -> None:
    """What died is due at once."""
    (running,) = children.running.values()
    running.process.wait()
    children.check()
    running.restart_at = 0.0
    children.check()


def test_a_child_that_ends_at_every_start_is_given_up_with_a_reason(tmp_path: Path) -> None:
    children, lines = dying(tmp_path, patient=False)
    for _ in range(MOST_RESTARTS):
        hurry(children)
    with pytest.raises(GaveUp, match=r"brief ended 9 times in a row .* exited with 3: see .*brief\.log"):
        hurry(children)
    assert sum("runs again" in line for line in lines) == MOST_RESTARTS
    children, lines = dying(tmp_path, patient=True)  # on a full disk a death proves nothing
    for _ in range(MOST_RESTARTS + 2):
        hurry(children)
    assert sum("runs again" in line for line in lines) == MOST_RESTARTS + 2


def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.symlink_to(sys.executable)
    lines: list[str] = []
    children = Children(lines.append, lambda: False)
    children.launch(Child("s", [str(program), "-c", "import time; time.sleep(600)"], tmp_path / "s.log"))
    program.unlink()
    children.running["s"].process.kill()
    hurry(children)
    assert any("could not be started, trying again" in line for line in lines)
    program.symlink_to(sys.executable)
    children.running["s"].restart_at = 0.0
    assert children.check()
    assert children.running["s"].process.poll() is None
    processes.stop(children.running["s"])


@pytest.mark.parametrize(("wanted", "told"), [(3, 3), (None, cores.processes(None))])
def test_the_api_knows_how_many_workers_compute_side_by_side(
    tmp_path: Path, wanted: int | None, told: int
) -> None:
    supervisor = Supervisor(Settings(home=tmp_path / "home", compute_processes=wanted), say=print)
    supervisor.home.acquire()
    environment = supervisor._environment(supervisor.home.secrets())
    assert environment["EVOSELECT_COMPUTE_PROCESSES"] == str(told)
    supervisor.home.release()


def test_a_full_disk_ends_neither_the_supervisor_nor_what_was_committed(tmp_path: Path) -> None:
    """PostgreSQL itself may end (PANIC); it comes back once there is room."""
    home, lines = tmp_path / "home", []  # type: ignore[var-annotated]
    with disks.small_disk(home, 160) as reason:
        if reason:
            pytest.skip(reason)
        supervisor = Supervisor(Settings(home=home), say=lines.append)
        supervisor.home.acquire()
        supervisor._start_database(supervisor.home.secrets())
        url = supervisor.environment["EVOSELECT_DATABASE_URL"].replace("+psycopg", "")
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create table kept (text text)")
                connection.execute("insert into kept select repeat('x', 1000) from generate_series(1, 100)")
                disks.fill(home)
                with pytest.raises(psycopg.Error):
                    connection.execute(TOO_MUCH)
            supervisor.running["postgres"].process.kill()  # where it has not ended by itself
            for _ in range(3):
                time.sleep(0.3)
                supervisor.running["postgres"].restart_at = 0.0
                supervisor.check()
            disks.free(home)

            def answers_again() -> bool:
                supervisor.check()
                return servers.postgres_answers(url)

            wait_for(answers_again, 60)
            with psycopg.connect(url) as connection:
                row = connection.execute("select count(*) from kept where length(text) = 1000").fetchone()
            assert row == (100,)
            assert any("jobs wait until room is made" in line for line in lines)
            assert any("is free again" in line for line in lines)
            recorded = json.loads((home / "children.json").read_text())
            assert recorded["postgres"][0] == supervisor.running["postgres"].process.pid
        finally:
            disks.free(home)
            supervisor.stop()


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


def test_the_port_that_the_api_of_a_killed_supervisor_holds_is_taken_back(tmp_path: Path) -> None:
    left = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert left.stdout is not None
    port = int(left.stdout.readline())
    home, lines = tmp_path / "home", list[str]()
    supervisor = Supervisor(Settings(home=home), port=port, say=lines.append)
    try:
        with pytest.raises(sockets.PortInUse, match=f"process {left.pid}"):
            supervisor._listen()  # of a stranger
        assert not home.exists()
        home.mkdir(mode=0o700)
        (home / "lock").touch()
        write_private(home / "children.json", {"api": [left.pid, processes.identity(left.pid)]})
        supervisor._listen().close()
        assert lines == ["ended api, left by an earlier run"]
        assert supervisor.home.held
        left.wait(10)
    finally:
        left.kill()
        supervisor.home.release()


def test_a_database_that_a_killed_supervisor_left_is_gone_before_the_next_one_starts(tmp_path: Path) -> None:
    """Its processes have sessions of their own; while one lives the data cannot be opened."""
    home = tmp_path / "home"
    first = Supervisor(Settings(home=home))
    first.home.acquire()
    secrets = first.home.secrets()
    first._start_database(secrets)
    url = first.environment["EVOSELECT_DATABASE_URL"].replace("+psycopg", "")
    postgres = first.running["postgres"].process
    family = psutil.Process(postgres.pid).children(recursive=True)
    assert len(family) > 3
    first.home.release()  # and nothing else: it was killed
    second = Supervisor(Settings(home=home))
    second.home.acquire()
    try:
        with psycopg.connect(url):
            second._clear_leftovers()
            assert not any(one.is_running() for one in family)
            second._start_database(secrets)
    finally:
        second.stop()


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
