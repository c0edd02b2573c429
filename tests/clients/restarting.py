"""An API process over a live API's database that can be killed and started again under the same address."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from embedded import servers
from store.settings import as_environment
from tests.live import Api

COMMAND = (
    *(sys.executable, "-m", "uvicorn", "--factory", "service.app:from_environment"),
    *("--http", "service.protocol:Protocol", "--no-access-log"),
)
AWAY = 1.0  # seconds between a kill and the next start


class Restarting:
    """One process at a time; used from one thread beside the one that starts it again."""

    def __init__(self, api: Api, log: Path) -> None:
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, **as_environment(api.settings)}
        self._log = log
        self._timers: list[threading.Timer] = []
        self.start()

    def start(self) -> None:
        """Start it and wait until it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "--port", str(self.port)], env=self._environment, stdout=log, stderr=log
            )
        servers.wait_until(self._serves, "API", self._log)

    def kill(self) -> None:
        """kill -9, and a start some time later."""
        self._process.kill()
        self._process.wait()
        self._timers.append(threading.Timer(AWAY, self.start))
        self._timers[-1].start()

    def stop(self) -> None:
        """End it for good."""
        for timer in self._timers:
            timer.join()
        self._process.kill()
        self._process.wait()

    def _serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez", timeout=1).is_success
        except httpx.TransportError:
            return False


@contextmanager
def restarting(api: Api, folder: Path) -> Iterator[Restarting]:
    """The process until the block ends."""
    process = Restarting(api, folder / "api.log")
    try:
        yield process
    finally:
        process.stop()
