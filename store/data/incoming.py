"""Bytes that come in, hashed on their way into the artifact store."""

import hashlib
import io
import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

from store.artifacts import CHUNK, Artifact, Artifacts, named


class Incoming(io.FileIO):
    """A file without a name on its way into the store, hashed while it is written; closing it drops it.

    It is written from its start to its end, then read at most. A store that is not local gets it at the end.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(_nameless(folder), "r+b")
        self.size = 0
        self._digest = hashlib.sha256()
        self._on_its_way = 0

    def write(self, data: Any) -> int:
        """All of the bytes, behind those that came before."""
        with memoryview(data).cast("B") as view:
            done = 0
            while done < len(view):
                done += super().write(view[done:])
            self._digest.update(view)
            self.size += done
        if self.size - self._on_its_way >= CHUNK:  # so that the last fsync finds little left to do
            _begin_writing(self.fileno(), self._on_its_way, self.size)
            self._on_its_way = self.size
        return done

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()

    def appear(self, destination: Path) -> bool:
        """Give it a name once all of it is on disk; False where its file system cannot."""
        os.fsync(self.fileno())
        os.utime(self.fileno())  # those who delete what is old see that it is wanted now
        temporary = destination.with_name(f".{destination.name}.{uuid.uuid4().hex}.tmp")
        try:
            _link(self.fileno(), temporary)
            temporary.replace(destination)
        except OSError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True


def incoming(artifacts: Artifacts) -> Incoming:
    """An empty file for `put`, which a local store does not copy."""
    if not artifacts.local:
        return Incoming(tempfile.gettempdir())
    Path(artifacts.root).mkdir(parents=True, exist_ok=True)
    return Incoming(artifacts.root)


def put(
    artifacts: Artifacts, folder: str, file: Incoming, suffix: str, *, expected: str | None = None
) -> Artifact:
    """Store what was written to the file.

    Raises WrongHash, and stores nothing, unless it has the hash that is expected.
    """
    if artifacts.local:
        artifact = named(folder, file.sha256, suffix, file.size, expected=expected)
        destination = Path(artifacts.root) / artifact.path
        destination.parent.mkdir(parents=True, exist_ok=True)
        if file.appear(destination):
            return artifact
    return artifacts.put_stream(folder, file, suffix, expected)


def _nameless(folder: str) -> int:
    """An open file in a folder that no name leads to."""
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except (AttributeError, OSError):  # not Linux, or a file system that has none
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.dup(file.fileno())


def _link(file: int, path: Path) -> None:
    """Give an open file a name; OSError where its file system or the system cannot."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.link(
            f"/proc/self/fd/{file}", path.name, dst_dir_fd=folder
        )  # without dst_dir_fd no link is followed
    finally:
        os.close(folder)


def _begin_writing(file: int, start: int, stop: int) -> None:
    """Let the system write these bytes to the disk while others come."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, start, stop - start, os.POSIX_FADV_DONTNEED)
