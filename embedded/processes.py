"""Child processes under one supervisor: started in their own session, watched, restarted, stopped."""

import os
import signal
import subprocess
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from embedded.home import private

GONE_SECONDS = 20.0  # that killed processes may take to be gone
PRIVATE = 0o077  # what children write is for their own account alone
STOP_SECONDS = 15.0
FIRST_BACKOFF_SECONDS = 0.5  # before a restart; doubles up to the longest
LONGEST_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 30.0  # a child that lived so long starts again with the first backoff


@dataclass
class Child:
    """How to run one process."""

    name: str
    arguments: list[str]
    log: Path | None
    """What it prints is appended to this file; None shares the output of this process."""
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "SIGTERM"
    folder: Path | None = None
    """To start in; entered before the account changes, so that account need not be able to reach it."""
    descriptors: tuple[int, ...] = ()
    """Open files that it inherits."""


@dataclass
class Running:
    """A child and the process it is now."""

    child: Child
    process: subprocess.Popen[bytes]
    started: float
    backoff_seconds: float = FIRST_BACKOFF_SECONDS
    failures: int = 0
    """Deaths in a row, each soon after its start."""
    restart_at: float | None = None


def as_user(user: str | None) -> dict[str, Any]:
    """Arguments of subprocess that run a program as another account, group included."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def start(child: Child) -> Running:
    """Start the process."""
    with _output(child.log) as output:
        process = subprocess.Popen(
            child.arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env={**os.environ, **child.environment},
            start_new_session=True,
            umask=PRIVATE,
            cwd=child.folder,
            pass_fds=child.descriptors,
            **as_user(child.user),
        )
    return Running(child, process, time.monotonic())


def _output(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    if log is None:
        return nullcontext()
    log.parent.mkdir(parents=True, exist_ok=True)
    return open(log, "ab", opener=private)


def describe_exit(code: int) -> str:
    """What ended a process, in words."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


def kill_session(pid: int) -> None:
    """End what is left of a child's session, its own children included."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and os.getsid(process.pid) == pid:
                process.kill()
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue


def stop(running: Running, seconds: float = STOP_SECONDS) -> None:
    """Ask the process to end, then make it; nothing of its session stays behind."""
    process = running.process
    if process.poll() is None:
        process.send_signal(signal.Signals[running.child.stop_signal])
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_session(process.pid)


def identity(pid: int) -> float | None:
    """When the process of that pid was created, which tells it from a later one with the same number."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def leftovers(recorded: dict[str, list[float]]) -> list[str]:
    """Names of the children of a supervisor that died which still run; `recorded` as of reap_leftovers."""
    return [name for name, (pid, created) in recorded.items() if identity(int(pid)) == created]


def reap_leftovers(recorded: dict[str, list[float]]) -> list[str]:
    """Kill children of a supervisor that died; `recorded` maps a name to [pid, create time].

    Returns, once they are gone, the names of those that still ran. Where a child is gone, its session's
    number marks what it left; where that number belongs to a later process now, nothing is touched.
    """
    reaped, victims = leftovers(recorded), list[psutil.Process]()
    for name, (pid, created) in recorded.items():
        if name in reaped:
            victims += _family(int(pid))
        if identity(int(pid)) in (None, created):
            kill_session(int(pid))
    for victim in victims:
        with suppress(psutil.Error):
            victim.kill()
    psutil.wait_procs(victims, timeout=GONE_SECONDS)
    return reaped


def _family(pid: int) -> list[psutil.Process]:
    """A process and its descendants: those of PostgreSQL have their own sessions, and hold its data."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []
