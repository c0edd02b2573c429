"""A worker whose supervisor was killed gives its shard back and ends: nobody would start or stop it again."""

import logging
import os
import signal
import threading
import time

logger = logging.getLogger(__name__)
VARIABLE = "EVOSELECT_SUPERVISOR"  # the pid of `evoselect worker`, set by it (embedded/workers.py)


def end_with_supervisor(seconds: float) -> None:
    """In a parent: look every so many seconds, from a thread; nothing where no supervisor is named."""
    if pid := os.environ.get(VARIABLE):
        threading.Thread(target=_watch, args=(int(pid), seconds), name="orphan", daemon=True).start()


def _watch(supervisor: int, seconds: float) -> None:
    while os.getppid() == supervisor:
        time.sleep(seconds)
    logger.warning("evoselect worker (process %d) is gone: this worker ends", supervisor)
    os.kill(os.getpid(), signal.SIGTERM)
