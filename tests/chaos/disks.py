"""A small file system of its own, so that a full disk is a real one and fills up for nobody else."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILLER = "filler"  # the file that takes all the room
CHUNK = 2**20


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[str]:
    """Mount one there, in memory, until the block ends; yields why it could not be, or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "evoselect-test", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = done.stderr.strip()
    except OSError as error:
        reason = str(error)
    if reason:
        print(f"no disk can be filled here: {reason}", file=sys.stderr)
    try:
        yield reason
    finally:
        if not reason:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Take all the room that is left, to the last block."""
    descriptor = os.open(folder / FILLER, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        size, chunk = 0, 64 * CHUNK
        while chunk >= 4096:
            try:
                os.posix_fallocate(descriptor, size, chunk)
                size += chunk
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                chunk //= 2
    finally:
        os.close(descriptor)


def free(folder: Path) -> None:
    """Make room again."""
    (folder / FILLER).unlink(missing_ok=True)
