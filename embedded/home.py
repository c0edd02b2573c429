"""The data directory of embedded mode: who holds it, its secrets, its files.

home/lock              held by the supervisor for as long as it runs; holds its pid
home/secrets.json      0600: passwords of database and broker, key pepper, API key
home/credentials.json  0600: {"url", "api_key"} for the command line and the SDK; only while running
home/servers.json      0600: where PostgreSQL, Valkey and artifacts are, for `evoselect doctor`
home/children.json     pids that the supervisor started, so that the next one can clear what was left
home/{postgres,valkey,artifacts,logs,life}/

The directory is 0700: nobody else can reach anything in it, whatever its files were made with.
"""

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from store.accounts.tenants import generate_key
from store.settings import Settings

SERVERS = ("database_url", "redis_url", "artifacts_url", "key_pepper")  # what embedded mode fills in


class HomeInUse(RuntimeError):
    """Another supervisor holds the data directory."""

    def __init__(self, home: Path, pid: int | None) -> None:
        super().__init__(
            f"{home} is held by a running embedded mode (process {pid}): stop it with `evoselect down`, "
            "or choose another directory with --home"
        )
        self.pid = pid


class UnsafeHome(RuntimeError):
    """The data directory is a folder that is not ours to close to others."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What embedded mode generated once for its directory."""

    database_password: str
    broker_password: str
    key_pepper: str
    api_key: str


class Home:
    """One data directory; `acquire` before changing anything in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Hold the directory until `release` or the end of the process; raises HomeInUse or UnsafeHome."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._close_to_others()
        descriptor = private(str(self.path / "lock"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        stream = os.fdopen(descriptor, "a+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            raise HomeInUse(self.path, self.holder()) from None
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        self._lock = stream

    @property
    def held(self) -> bool:
        """Whether this object holds the directory."""
        return self._lock is not None

    def _close_to_others(self) -> None:
        """Take others' rights to a folder of ours; one that somebody else made is not ours to change."""
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            owner = f"account {found.st_uid}"
            raise UnsafeHome(
                f"{self.path} belongs to {owner}: start as that account, or choose a directory with --home"
            )
        if not found.st_mode & 0o077:
            return
        if any(self.path.iterdir()) and not (self.path / "lock").exists():
            raise UnsafeHome(
                f"{self.path} holds files of others and is open to other accounts (mode "
                f"{found.st_mode & 0o777:o}): choose a new directory with --home, or `chmod 700` this one"
            )
        self.path.chmod(0o700)

    def release(self) -> None:
        """Let go of the directory."""
        self.credentials.unlink(missing_ok=True)
        self.servers.unlink(missing_ok=True)
        if self._lock:
            self._lock.close()
            self._lock = None

    def holder(self) -> int | None:
        """The pid of the supervisor that holds the directory, or None."""
        lock = self.path / "lock"
        if not lock.exists():
            return None
        with lock.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = stream.read().strip()
                return int(text) if text else None
        return None

    @property
    def credentials(self) -> Path:
        """Where clients find the URL and the key."""
        return self.path / "credentials.json"

    @property
    def servers(self) -> Path:
        """Where the running servers' addresses are."""
        return self.path / "servers.json"

    def completed(self, settings: Settings) -> Settings:
        """The settings with what they leave open taken from the embedded mode that runs here, if any."""
        if not self.servers.exists():
            return settings
        known = Settings(**json.loads(self.servers.read_text()))
        names = [name for name in SERVERS if not getattr(settings, name)]
        return settings.model_copy(update={name: getattr(known, name) for name in names})

    def instance(self) -> str | None:
        """By which the API that runs here is known; None where none runs."""
        known = json.loads(self.servers.read_text()) if self.servers.exists() else {}
        found: str | None = known.get("instance")
        return found

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.path / "logs"

    def secrets(self) -> Secrets:
        """The directory's secrets, generated at the first call."""
        path = self.path / "secrets.json"
        made = {
            "database_password": secrets.token_urlsafe(24),
            "broker_password": secrets.token_urlsafe(24),
            "key_pepper": secrets.token_urlsafe(32),
            "api_key": generate_key(),
        }
        kept = json.loads(path.read_text()) if path.exists() else {}
        if kept.keys() != made.keys():  # an earlier release had fewer
            write_private(path, kept := {**made, **kept})
        return Secrets(**kept)


def private(path: str, flags: int) -> int:
    """How files are opened that are for their owner alone."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, value: dict[str, Any]) -> None:
    """Write JSON that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "w", opener=private) as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
