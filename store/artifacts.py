"""Files that jobs read and write, behind fsspec: content-hashed names, written whole or not at all."""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, model_serializer

from store.errors import ArtifactCorrupt

CHUNK = 8 * 2**20  # bytes hashed, copied, or sent on their way to the disk at a time
CLIENTS = ("aiobotocore", "aiohttp", "botocore")  # of object stores; not all of their errors are OSErrors


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where a file lies below the store's root, and what it must hash to."""

    path: str
    sha256: str
    size: int

    def reference(
        self, *, rows: int | None = None, size: int | None = None, name: str | None = None
    ) -> "StoredFile":
        """What a row keeps of it: path and hash, and what the caller adds."""
        return StoredFile(path=self.path, sha256=self.sha256, rows=rows, size=size, name=name)


class StoredFile(BaseModel):
    """A file as a row keeps it; what nobody said of it is None, and is not kept."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    rows: int | None = None
    size: int | None = None
    """Bytes."""
    name: str | None = None

    @model_serializer
    def stored(self) -> dict[str, str | int]:
        """As JSON."""
        return {name: value for name, value in self if value is not None}


class WrongHash(ValueError):
    """Bytes are not those that were promised."""

    def __init__(self, found: str) -> None:
        super().__init__(f"the bytes have the sha256 {found}")
        self.found = found


class StoreAway(OSError):
    """The artifact store cannot be reached, or broke off."""


class _Remote:
    """A filesystem behind a network, whose calls raise StoreAway where its client's own errors come out."""

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._filesystem, name)
        return _reaching()(found) if callable(found) else found


class Artifacts:
    """A folder of immutable files at an fsspec URL (file://, s3://, ...)."""

    def __init__(self, url: str) -> None:
        filesystem, root = fsspec.core.url_to_fs(url)
        self.root: str = str(root).rstrip("/")
        self.local = "file" in _protocols(filesystem)
        self.filesystem: Any = filesystem if self.local else _Remote(filesystem)

    def put_file(self, folder: str, source: Path) -> Artifact:
        """Store a copy of `source` as folder/<sha256><suffix>; writing the same bytes twice is harmless."""
        digest = _hash_file(source)
        artifact = named(folder, digest, source.suffix, source.stat().st_size)
        full = self._full(artifact.path)
        if self.local:
            _copy_then_rename(source, Path(full))
        else:
            self.filesystem.put_file(str(source), full)  # object stores show a file only when it is whole
        return artifact

    def put_bytes(self, folder: str, data: bytes, suffix: str) -> Artifact:
        """Store bytes under their hash."""
        digest = hashlib.sha256(data).hexdigest()
        artifact = named(folder, digest, suffix, len(data))
        full = self._full(artifact.path)
        if self.local:
            with _renamed(Path(full)) as stream:
                stream.write(data)
        else:
            self.filesystem.pipe_file(full, data)
        return artifact

    def put_stream(
        self, folder: str, stream: IO[bytes], suffix: str, expected: str | None = None
    ) -> Artifact:
        """Store what a seekable stream holds, from its start, with constant memory.

        Raises WrongHash, and stores nothing, unless it has the hash that is expected.
        """
        stream.seek(0)
        digest = hashlib.sha256()
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
        artifact = named(folder, digest.hexdigest(), suffix, stream.tell(), expected=expected)
        full = self._full(artifact.path)
        stream.seek(0)
        with (
            _reaching(),
            _renamed(Path(full)) if self.local else self.filesystem.open(full, "wb") as writer,
        ):
            shutil.copyfileobj(stream, writer, CHUNK)
        return artifact

    def put_table(self, folder: str, table: pa.Table) -> Artifact:
        """Store a table as one Parquet file."""
        return self.put_bytes(folder, as_parquet(table), ".parquet")

    def get_bytes(self, path: str, sha256: str) -> bytes:
        """The file's bytes; raises ArtifactCorrupt when it is missing or was changed."""
        try:
            data: bytes = self.filesystem.cat_file(self._full(path))
        except FileNotFoundError as error:
            raise ArtifactCorrupt(f"artifact {path} is missing: restore it, or run the job again") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise ArtifactCorrupt(
                f"artifact {path} hashes to {found}, not {sha256}: restore it, or run again"
            )
        return data

    def get_part(self, path: str, start: int, size: int, sha256: str) -> bytes:
        """So many bytes of a file from ``start`` on; raises ArtifactCorrupt where it has others."""
        try:
            data: bytes = self.filesystem.cat_file(self._full(path), start=start, end=start + size)
        except FileNotFoundError as error:
            raise ArtifactCorrupt(f"artifact {path} is missing: restore it, or run the job again") from error
        if (found := hashlib.sha256(data).hexdigest()) != sha256:
            raise ArtifactCorrupt(
                f"bytes {start} to {start + size} of artifact {path} hash to {found}, not {sha256}: "
                "restore it, or run again"
            )
        return data

    def get_table(self, path: str, sha256: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file as a table, its hash checked; all columns, or those that it has of these."""
        file = pq.ParquetFile(pa.BufferReader(self.get_bytes(path, sha256)))
        names = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        return file.read(columns=names)

    def get_rows(self, path: str, sha256: str, rows: range, columns: Sequence[str] | None = None) -> pa.Table:
        """The same of some rows, of step 1: only the groups of rows that hold them are decoded."""
        file = pq.ParquetFile(pa.BufferReader(self.get_bytes(path, sha256)))
        names = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        first, last = np.searchsorted(ends, [rows.start, rows.stop - 1], side="right").tolist()
        before = int(ends[first - 1]) if first else 0
        table = file.read_row_groups(list(range(first, min(last + 1, len(sizes)))), columns=names)
        return table.slice(rows.start - before, len(rows))

    def fetch_file(self, path: str, sha256: str, destination: Path) -> None:
        """Copy a file to a local path, its hash checked."""
        data = self.get_bytes(path, sha256)
        with _renamed(destination) as stream:
            stream.write(data)

    def local_file(self, path: str, sha256: str, scratch: Path) -> Path:
        """A file to map into memory, its hash checked in chunks.

        The stored one where the store is local, else a copy in the folder `scratch`.
        """
        file = Path(self._full(path)) if self.local else scratch / sha256
        if not self.local and self.filesystem.exists(self._full(path)):
            self.filesystem.get_file(self._full(path), str(file))
        if not file.is_file():
            raise ArtifactCorrupt(f"artifact {path} is missing: restore it, or run the job again")
        if (found := _hash_file(file)) != sha256:
            raise ArtifactCorrupt(
                f"artifact {path} hashes to {found}, not {sha256}: restore it, or run again"
            )
        return file

    def has(self, path: str) -> bool:
        """Whether the file is there."""
        return bool(self.filesystem.exists(self._full(path)))

    def open(self, path: str) -> IO[bytes]:
        """A seekable stream over a stored file; its hash is not checked."""
        stream: IO[bytes] = self.filesystem.open(self._full(path), "rb")
        return stream

    def listing(self) -> Iterator[tuple[str, datetime]]:
        """(path, time of the last change) of every file, unfinished ones of dead writers included."""
        if not self.filesystem.exists(self.root):
            return
        for full, entry in self.filesystem.find(self.root, detail=True).items():
            yield str(full).removeprefix(f"{self.root}/"), _changed(entry)

    def remove_older(self, path: str, before: datetime) -> bool:
        """Delete a file, unless it is gone or was written again since; returns whether it was deleted."""
        try:
            if _changed(self.filesystem.info(self._full(path))) >= before:
                return False
            self.filesystem.rm_file(self._full(path))
        except FileNotFoundError:
            return False
        return True

    def numbers(self, path: str) -> npt.NDArray[np.uint64]:
        """A file of 64-bit numbers, mapped where the store is local; raises FileNotFoundError."""
        full = self._full(path)
        if self.local:
            return np.memmap(full, dtype="<u8", mode="r")
        return np.frombuffer(self.filesystem.cat_file(full), dtype="<u8")

    def remove(self, path: str) -> None:
        """Delete a file that nothing refers to any more; a missing one is no fault."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(self._full(path))

    def probe(self) -> None:
        """Write, read and delete one small file; raises OSError when the store is not usable."""
        full = self._full(f"probe/{uuid.uuid4().hex}")
        self.filesystem.makedirs(os.path.dirname(full), exist_ok=True)
        self.filesystem.pipe_file(full, b"probe")
        self.filesystem.cat_file(full)
        self.filesystem.rm_file(full)

    def _full(self, path: str) -> str:
        if ".." in path.split("/") or path.startswith("/"):
            raise ArtifactCorrupt(f"artifact path {path!r} leaves the store")
        return f"{self.root}/{path}"


def named(folder: str, digest: str, suffix: str, size: int, *, expected: str | None = None) -> Artifact:
    """By its hash; raises WrongHash unless that is the one that is expected."""
    if expected is not None and digest != expected:
        raise WrongHash(digest)
    return Artifact(f"{folder}/{digest[:2]}/{digest}{suffix}", digest, size)


def as_parquet(table: pa.Table) -> bytes:
    """The file that `put_table` stores, the same one for the same table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


@contextmanager
def _reaching() -> Iterator[None]:
    """Raises StoreAway for an error of a store's client that is no OSError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] not in CLIENTS:
            raise
        raise StoreAway(f"the artifact store does not answer: {error}") from error


def _changed(entry: Mapping[str, object]) -> datetime:
    """When a file was last written: file systems say mtime, object stores LastModified."""
    moment = entry.get("mtime", entry.get("LastModified", entry.get("last_modified")))
    if isinstance(moment, (int, float)):
        return datetime.fromtimestamp(moment, UTC)
    if not isinstance(moment, datetime):
        raise OSError(f"{entry.get('name')}: the store does not say when it was written")
    return moment


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _copy_then_rename(source: Path, destination: Path) -> None:
    with source.open("rb") as reader, _renamed(destination) as writer:
        shutil.copyfileobj(reader, writer, CHUNK)


@contextmanager
def _renamed(destination: Path) -> Iterator[IO[bytes]]:
    """A stream whose bytes appear at `destination` only once they are all on disk."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{destination.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)
