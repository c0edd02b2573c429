"""Whether this worker has reached the database lately: the liveness probe of orchestrators.

python -m workers.alive QUEUES     exit code 0 when the worker of those queues lives, 1 when it does not
"""

import os
import socket
import sys
import time
from pathlib import Path

from store.settings import Settings

MISSED = 6  # polls in a row that may fail before the worker counts as dead


def _path(settings: Settings, queues: str) -> Path:
    return settings.home / "alive" / f"{socket.gethostname()}-{queues}"


def mark(settings: Settings, queues: str) -> None:
    """Note that the database answered just now."""
    path = _path(settings, queues)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path)


def silent_for(settings: Settings, queues: str) -> float:
    """Seconds since the last mark; infinite where there is none."""
    try:
        return time.time() - _path(settings, queues).stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def main() -> None:
    """Say it and end with the exit code."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    settings = Settings()
    seconds, limit = silent_for(settings, sys.argv[1]), MISSED * settings.poll_seconds
    print(f"last answer of the database {seconds:.0f} s ago; alive means below {limit:.0f} s")
    raise SystemExit(int(seconds >= limit))


if __name__ == "__main__":
    main()
