"""A parent ends a child that gives no sign of life for longer than a lease.

Such a child hangs in C code and holds the interpreter's lock: it hears neither a cancel nor its parent, and
its lease runs out. celery starts another child, which takes back what the dead one held (`siblings`).
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from store.jobs import life
from store.settings import Settings
from workers.process import siblings
from workers.process.leaving import leaving

logger = logging.getLogger(__name__)


def give_signs(settings: Settings) -> None:
    """In a child: until the process is to end. Its start may take long, so the first sign comes after it."""
    while True:
        with suppress(OSError):  # nothing may be created on a full disk; what is there can be touched
            life.touch(settings, siblings.own_name())
        if leaving.wait(settings.heartbeat_seconds):
            return


class Guard:
    """Watches the children of this process; only the time between two of its own checks counts.

    So neither a wrong clock nor a machine that slept can make children look dead.
    """

    def __init__(self, settings: Settings, children: Callable[[], Collection[int]]) -> None:
        self._settings = settings
        self._children = children
        self._seen: dict[int, tuple[int, float]] = {}  # by pid: the sign, and when it was first seen
        self._looked = time.monotonic()

    def run(self) -> None:
        """Until the process ends."""
        while True:
            time.sleep(self._settings.heartbeat_seconds)
            try:
                self.check()
            except Exception:
                logger.exception("the children could not be checked")  # the next check is due all the same

    def check(self) -> list[int]:
        """End the children that hang; returns their pids."""
        now = time.monotonic()
        if now - self._looked > self._settings.lease_seconds / 2:
            self._seen.clear()  # this process stood still itself
        self._looked = now
        children = set(self._children())
        self._seen = {pid: seen for pid, seen in self._seen.items() if pid in children}
        self._tidy()
        hung = [pid for pid in children if self._hangs(pid, now)]
        for pid in hung:
            self._end(pid, now - self._seen[pid][1])
        return hung

    def _hangs(self, pid: int, now: float) -> bool:
        try:
            sign = life.path_of(self._settings, siblings.name_of(pid)).stat().st_mtime_ns
        except FileNotFoundError:
            return False  # it starts, which celery watches
        if self._seen.get(pid, (None, now))[0] != sign:
            self._seen[pid] = (sign, now)
        return now - self._seen[pid][1] > self._settings.lease_seconds

    def _end(self, pid: int, silent: float) -> None:
        what = "process %d hangs and is ended: no sign of life for %.1f s; its shard waits"
        logger.error(what, pid, silent)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        life.path_of(self._settings, siblings.name_of(pid)).unlink(missing_ok=True)  # celery may reap it late

    def _tidy(self) -> None:
        """Signs of processes that are gone, of this family or of one that was killed with its parent."""
        for path in life.files(self._settings):
            if siblings.is_local(path.name) and life.pid_of(path) is None:
                path.unlink(missing_ok=True)


def start(settings: Settings, children: Callable[[], Collection[int]]) -> None:
    """In a parent: watch from a thread."""
    threading.Thread(target=Guard(settings, children).run, name="guard", daemon=True).start()
