"""A worker that is asked to end gives its shard back: the parent tells its children at once.

SIGTERM -> parent (celery's warm shutdown) -> SIGUSR2 -> child: `leaving` is set -> the phase stops at its
next step and the shard goes back; after EVOSELECT_SHUTDOWN_SECONDS the heartbeat gives it back
without the phase.
"""

import contextlib
import os
import signal
import threading
from typing import Any

leaving = threading.Event()
"""Set in a child that is to end; the main thread only reads it, so the signal handler cannot deadlock."""


def listen() -> None:
    """In a child: hear the parent."""
    signal.signal(signal.SIGUSR2, lambda number, frame: leaving.set())


def leave() -> None:
    """In a child: what hearing the parent does."""
    signal.raise_signal(signal.SIGUSR2)


def children(worker: Any) -> list[int]:
    """In the parent: the pids of celery's pool; none before it has started."""
    pool: Any = getattr(worker, "pool", None)
    started = getattr(pool, "_pool", None) is not None  # also while it closes, when `active` is false
    return list(pool.info["processes"]) if started else []


def stop_children(worker: Any) -> None:
    """In the parent: ask every child of celery's pool to end."""
    for pid in children(worker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR2)
