"""A child that hangs in C code: nothing inside of it can notice, so its parent ends it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import doctor
from store.jobs import life
from store.settings import Settings, as_environment
from workers.process import siblings
from workers.process.guard import Guard

HANGS = """
import re, sys, threading
from store.settings import Settings
from workers.process import guard

threading.Thread(target=guard.give_signs, args=(Settings(),), daemon=True).start()
print("lives", flush=True)
sys.stdin.readline()
re.match("(a|a)*b", "a" * 99)  # for longer than the sun shines, with the interpreter's lock
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = Settings(home=tmp_path, lease_seconds=1.5, heartbeat_seconds=0.1)
    monkeypatch.setenv(siblings.VARIABLE, "family")
    for name, value in as_environment(made).items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def child(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "lives\n"
    yield process
    process.kill()
    process.wait()


def watch(watcher: Guard, seconds: float) -> list[int]:
    """What it ends within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ended := watcher.check():
            return ended
        time.sleep(0.05)
    return []


def test_a_child_that_holds_the_interpreters_lock_is_ended_by_its_parent(
    settings: Settings, child: "subprocess.Popen[str]"
) -> None:
    watcher = Guard(settings, lambda: [child.pid])
    assert watch(watcher, 2 * settings.lease_seconds) == []
    assert doctor.workers(settings).ok
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    time.sleep(1.2 * settings.lease_seconds)
    found = doctor.workers(settings)
    assert (found.ok, str(child.pid) in found.detail) == (False, True)
    assert watch(watcher, 10.0) == [child.pid]  # its parent has not looked meanwhile: it counts anew
    assert watch(watcher, 2 * settings.lease_seconds) == []  # though nobody has reaped it yet
    assert child.wait(5) == -signal.SIGKILL
    assert life.files(settings) == []


def test_a_parent_that_stood_still_does_not_take_its_children_for_dead(
    settings: Settings, child: "subprocess.Popen[str]"
) -> None:
    watcher = Guard(settings, lambda: [child.pid])
    watcher.check()
    child.send_signal(signal.SIGSTOP)
    try:
        time.sleep(1.2 * settings.lease_seconds)
        assert watcher.check() == []
    finally:
        child.send_signal(signal.SIGCONT)


def test_a_child_that_has_not_started_is_left_to_celery(settings: Settings) -> None:
    assert watch(Guard(settings, lambda: [1]), 0.3) == []
