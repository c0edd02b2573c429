"""`evoselect up` as a child of the demo, in a data directory that lives as long as it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

STOP_SECONDS = 60.0


class ProcessesLeftError(RuntimeError):
    """Something that the demo started still ran after it had been told to stop."""


class StartFailedError(RuntimeError):
    """`evoselect up` ended before it could serve; its messages stand above."""


@contextmanager
def embedded(logs: Path, settings: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """URL and key of a running product; ends all of it, and raises ProcessesLeftError where that fails.

    When the block fails, the logs of all processes are copied to `logs`. `settings` are variables of its own.
    SIGTERM ends the block as Ctrl-C does.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="evoselect-demo-") as folder:
        process = _start(Path(folder), settings or {})
        try:
            url, key = _address(process)
            yield url, key
        except BaseException:
            shutil.copytree(Path(folder) / "home" / "logs", logs, dirs_exist_ok=True)
            raise
        finally:
            _stop(process)
            signal.signal(signal.SIGTERM, before)


def _start(home: Path, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        "from evoselect_cli.main import app; app()",
        "up",
        "--json",
        "--port",
        "0",
    ]
    # The default data directory and the servers of this machine's user have no part in a demo.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVOSELECT_")}
    kept = {name: os.environ[name] for name in ("EVOSELECT_MODEL_CACHE",) if name in os.environ}
    return subprocess.Popen(
        [*command, "--home", str(home / "home")],
        stdout=subprocess.PIPE,
        text=True,
        env={**inherited, **kept, **settings},
        start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops the product in order
    )


def _address(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise StartFailedError(f"`evoselect up` ended with code {process.wait()}; its messages stand above")
    value = json.loads(line)
    return value["url"], value["api_key"]


def _stop(process: subprocess.Popen[str]) -> None:
    tree = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    _, left = psutil.wait_procs(tree, timeout=5)
    if left:
        names = [f"{item.pid} {item.name()}" for item in left]
        for item in left:
            item.kill()
        raise ProcessesLeftError(f"still running after the end, now killed: {names}")
