"""Embedded mode: every part of the product on loopback, under one supervisor and one data directory.

port -> home -> servers (PostgreSQL, Valkey) -> migrations -> API and workers -> watch, restart, stop
"""

import json
import secrets as random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from pydantic import SecretStr

import store
from embedded import cores, processes, servers, sockets, workers
from embedded.children import Children
from embedded.home import SERVERS, Home, HomeInUse, Secrets, write_private
from embedded.preparation import StartFailed, prepare_database, require_broker, require_database
from embedded.processes import Child, Running
from store import disk
from store.settings import INSTANCE_HEADER, Settings, as_environment

ROOT = Path(store.__file__).parent.parent
POLL_SECONDS = 0.2
RELEASE_SECONDS = 10.0  # that a killed process may take to let go of its port
NICENESS = 10  # of computing workers, so that the API answers while they take every core
ON_A_MODEL = ("features", "train")  # several processes side by side


class Supervisor:
    """Starts all processes, keeps them alive until told to stop. Not re-entrant."""

    def __init__(
        self, settings: Settings, *, port: int = 0, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.port = port
        self.environment: dict[str, str] = {}
        self.stopping = False
        self._socket: socket.socket | None = None
        self._children = Children(say, self._is_short)
        self._was_short = False
        self._unrecorded = False

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://{sockets.HOST}:{self.port}"

    @property
    def running(self) -> dict[str, Running]:
        """The children by name."""
        return self._children.running

    def start(self) -> None:
        """Bring everything up; raises HomeInUse, UnsafeHome, PortInUse, ServerNotReady or StartFailed.

        Nothing is left running then, and nothing is written where others hold the directory or the port.
        """
        if (pid := self.home.holder()) is not None:
            raise HomeInUse(self.home.path, pid)
        try:
            self._socket = self._listen()
            self.port = self._socket.getsockname()[1]
            if not self.home.held:
                self.home.acquire()
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def _listen(self) -> socket.socket:
        """The API's socket. The API of a killed supervisor, which may still hold the port, is ended first."""
        try:
            return sockets.listen(self.port)
        except sockets.PortInUse:
            if not processes.leftovers(self._recorded()):
                raise
        self.home.acquire()
        self._clear_leftovers()
        deadline = time.monotonic() + RELEASE_SECONDS
        while True:
            try:
                return sockets.listen(self.port)
            except sockets.PortInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)

    def _start_all(self) -> None:
        self._clear_leftovers()
        secrets = self.home.secrets()
        self.environment = self._environment(secrets)
        self._start_database(secrets)
        self._start_broker(secrets)
        url, ours = self.environment["EVOSELECT_DATABASE_URL"], not self.settings.database_url
        prepare_database(url, self.environment["EVOSELECT_KEY_PEPPER"], secrets.api_key, ours=ours)
        self._launch(self._api())
        servers.wait_until(self._api_ready, "the API", self._log("api"))
        for worker in self._workers():  # after it, so that it need not share the cores with their start
            self._launch(worker)
        told = (*SERVERS, "instance")
        servers_of_ours = {name: self.environment[f"EVOSELECT_{name.upper()}"] for name in told}
        write_private(self.home.servers, servers_of_ours)
        write_private(self.home.credentials, {"url": self.url, "api_key": secrets.api_key})

    def _launch(self, child: Child) -> None:
        self._children.launch(child)
        self._record_children()

    def run(self) -> None:
        """Watch the children until `stopping` is set, restarting those that die; raises GaveUp."""
        while not self.stopping:
            self.check()
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Say which children died, and start again those whose waiting time is over; raises GaveUp."""
        self._report_disk()
        if self._children.check() or self._unrecorded:
            self._record_children()

    def stop(self) -> None:
        """Stop children in the reverse order of their start, then let go of port and directory."""
        self.stopping = True
        names = [name for name in reversed(self.running) if name not in ("postgres", "valkey")]
        for name in names:
            _ask_to_stop(self.running[name])
        for name in [*names, "valkey", "postgres"]:
            if name in self.running:
                processes.stop(self.running.pop(name))
        if self._socket is not None:
            self._socket.close()
        if self.home.held:
            (self.home.path / "children.json").unlink(missing_ok=True)
            self.home.release()

    def _is_short(self) -> bool:
        return disk.is_short(self.settings.model_copy(update={"home": self.home.path}))

    def _report_disk(self) -> None:
        short = self._is_short()
        if short != self._was_short:
            reserve = f"{self.settings.disk_reserve_share:.1%} of the disk"
            self._children.say(
                f"less than {reserve} is free: uploads are refused and jobs wait until room is made"
                if short
                else f"{reserve} is free again: everything goes on"
            )
        self._was_short = short

    def _record_children(self) -> None:
        """For the next supervisor, should this one be killed; on a full disk later."""
        children = {
            name: [running.process.pid, processes.identity(running.process.pid) or 0.0]
            for name, running in self.running.items()
        }
        try:
            write_private(self.home.path / "children.json", children)
            self._unrecorded = False
        except OSError:
            self._unrecorded = True

    def _recorded(self) -> dict[str, list[float]]:
        """What an earlier supervisor started that did not end well; nothing after one that did."""
        path = self.home.path / "children.json"
        found: dict[str, list[float]] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _clear_leftovers(self) -> None:
        for name in processes.reap_leftovers(self._recorded()):
            self._children.say(f"ended {name}, left by an earlier run")
        (self.home.path / "children.json").unlink(missing_ok=True)

    def _environment(self, secrets: Secrets) -> dict[str, str]:
        """Every setting of ours, with what embedded mode fills in, as the children will read it."""
        settings = self.settings.model_copy(
            update={
                "home": self.home.path,
                "artifacts_url": self.settings.artifacts_url or f"file://{self.home.path / 'artifacts'}",
                "key_pepper": self.settings.key_pepper or SecretStr(secrets.key_pepper),
                "niceness": NICENESS if self.settings.niceness is None else self.settings.niceness,
                "compute_processes": cores.processes(self.settings.compute_processes),
                "show_docs": self.settings.show_docs is not False,
                "instance": random.token_hex(8),
            }
        )
        paths = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        return {**workers.ENVIRONMENT, **as_environment(settings), **paths}

    def _start_database(self, secrets: Secrets) -> None:
        if self.settings.database_url:
            require_database(self.settings.database_url)
            return
        data, password = self.home.path / "postgres", secrets.database_password
        port, running = servers.start_server(
            lambda port: servers.postgres_child(data, port, password, self._log("postgres")),
            lambda port: servers.postgres_answers(servers.postgres_url(port, password)),
        )
        self._children.adopt(running)
        self._record_children()
        self.environment["EVOSELECT_DATABASE_URL"] = servers.postgres_url(port, password)

    def _start_broker(self, secrets: Secrets) -> None:
        if self.settings.redis_url:
            require_broker(self.settings.redis_url)
            return
        data, password = self.home.path / "valkey", secrets.broker_password
        port, running = servers.start_server(
            lambda port: servers.valkey_child(data, port, self._log("valkey"), password),
            lambda port: servers.redis_answers(servers.valkey_url(port, password)),
        )
        self._children.adopt(running)
        self._record_children()
        self.environment["EVOSELECT_REDIS_URL"] = servers.valkey_url(port, password)

    def _api(self) -> Child:
        assert self._socket is not None
        descriptor = self._socket.fileno()
        arguments = [sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment"]
        arguments += ["--fd", str(descriptor), "--no-access-log"]
        arguments += ["--http", "service.protocol:Protocol"]
        arguments += ["--timeout-graceful-shutdown", "5"]  # open event streams would hold it for ever
        return Child("api", arguments, self._log("api"), self.environment, descriptors=(descriptor,))

    def _workers(self) -> Iterator[Child]:
        beside = cores.processes(self.settings.compute_processes)
        for queue in workers.QUEUES:
            several = beside if queue in ON_A_MODEL else 1
            yield self._worker(queue, queue, several)
            for number in range(2, several + 1):
                yield self._worker(queue, f"{queue}-{number}", several)

    def _worker(self, queue: str, name: str, several: int) -> Child:
        own = workers.without_pepper([queue]) | workers.held([queue])
        environment = {**self.environment, **cores.threads(several), **own}
        arguments = workers.arguments([queue], name)
        return Child(f"{name}-worker", arguments, self._log(f"{name}-worker"), environment)

    def _log(self, name: str) -> Path:
        return self.home.logs / f"{name}.log"

    def _api_ready(self) -> bool:
        """By the instance that answers: the port alone may be anybody's."""
        process = self.running["api"].process
        if process.poll() is not None:
            how = processes.describe_exit(process.returncode)
            raise StartFailed(f"the API {how} at start: look at {self._log('api')}")
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False)  # past any proxy
        except httpx.TransportError:
            return False
        ours = answer.headers.get(INSTANCE_HEADER) == self.environment["EVOSELECT_INSTANCE"]
        return ours and answer.status_code == httpx.codes.OK


def _ask_to_stop(running: Running) -> None:
    if running.process.poll() is None:
        running.process.send_signal(signal.Signals[running.child.stop_signal])
