"""Signs of life of worker processes: a file each, touched by the process itself every heartbeat.

home/life/HOST:FAMILY:PID     named like the process in the rows of the shards that it holds

A process that hangs in C code holds the interpreter's lock, so none of its threads can touch the file.
"""

import os
import socket
import time
from pathlib import Path

from store.settings import Settings


def path_of(settings: Settings, name: str) -> Path:
    """The file of the process of that name."""
    return settings.home / "life" / name


def touch(settings: Settings, name: str) -> None:
    """Note that the process of that name lives now; raises OSError."""
    path = path_of(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def pid_of(path: Path) -> int | None:
    """Of the process of this machine that a file speaks of; None where that process is gone, or elsewhere."""
    host, _, rest = path.name.partition(":")
    number = rest.rpartition(":")[2]
    if host != socket.gethostname() or not number.isdecimal():
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # it is somebody else's, and lives
        pass
    return int(number)


def files(settings: Settings) -> list[Path]:
    """All of them, those of dead processes included."""
    folder = settings.home / "life"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def silent(settings: Settings) -> dict[int, float]:
    """By pid, for how many seconds processes of this machine have given no sign, where that is too long."""
    now, found = time.time(), {}
    for path in files(settings):
        pid = pid_of(path)
        if pid is not None and (age := now - path.stat().st_mtime) > settings.lease_seconds:
            found[pid] = age
    return found
