"""Workers: the queues that there are, how one is started, and the crew of them that one command keeps.

`evoselect up` starts workers among its other processes, `evoselect worker` a crew of them and nothing else.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec

from embedded import cores, gpus, processes
from embedded.children import Children
from embedded.processes import Child
from store import disk
from store.settings import Settings

OPS = "ops"
QUEUES = ("features", "select", "train", "generate", OPS)
ENVIRONMENT = {
    # Waiting threads sleep instead of spinning: measured 5 - 10 times faster where processes share the cores.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "POT_BACKEND_DISABLE_PYTORCH": "1",  # halves the import of POT
    "TOKENIZERS_PARALLELISM": "false",
}
# Freed memory stays in the process: measured 15 % faster features, whose tensors come and go in a few sizes.
# Of a merge, which has many, twice as much stayed.
HELD = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
HOLDING = ("features", "train")
SUPERVISOR = "EVOSELECT_SUPERVISOR"  # the process without which a worker ends (workers/process/orphan.py)
POLL_SECONDS = 0.2
SPARE_SECONDS = 5.0  # beyond EVOSELECT_SHUTDOWN_SECONDS, until a worker that was asked to end is killed


class NoWorkers(RuntimeError):
    """No worker can be started; the message says why and what to do."""


def arguments(queues: Sequence[str], name: str) -> list[str]:
    """The command line of a worker of these queues; `name` tells it from the others of its machine."""
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", ",".join(queues)]
    command += ["-n", f"{name}@%h", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    return [*command, "-B"] if OPS in queues else command


def without_pepper(queues: Sequence[str]) -> dict[str, str]:
    """Variables that take the pepper from workers that check no key and sign no webhook: all but ops."""
    return {} if OPS in queues else {"EVOSELECT_KEY_PEPPER": ""}


def held(queues: Sequence[str]) -> dict[str, str]:
    """Variables that keep freed memory in workers which compute by a model."""
    return HELD if {*queues} & {*HOLDING} else {}


def require_installed() -> None:
    """Raise NoWorkers in an installation without the workers' packages, such as the API's image."""
    if any(find_spec(name) is None for name in ("workers.app", "torch")):
        raise NoWorkers(
            "the workers are not installed here: pip install 'evoselect[worker]', or take the image "
            "evoselect-worker or evoselect-worker-gpu"
        )


def devices() -> list[str]:
    """The GPUs that workers can use here; raises NoWorkers where there is none, or one does not work."""
    found = gpus.visible()
    if not found:
        raise NoWorkers(f"no GPU is visible here ({_why_none()}): start workers without one by --processes N")
    if silent := gpus.unusable(found):
        raise NoWorkers(
            f"torch cannot use GPU {', '.join(silent)} of {', '.join(found)}: look at nvidia-smi and at the "
            f"CUDA of this torch, or leave it out by {gpus.VARIABLE}"
        )
    return found


def _why_none() -> str:
    named = os.environ.get(gpus.VARIABLE)
    return "neither nvidia-smi nor torch finds one" if named is None else f"{gpus.VARIABLE} is {named!r}"


def crew(queues: Sequence[str], devices: Sequence[str], *, several: int) -> list[Child]:
    """A worker of all these queues for each of the GPUs; without GPUs `several` workers."""
    label = "+".join(queues)
    shown: dict[str, dict[str, str]] = {name: {gpus.VARIABLE: name} for name in devices}
    shown = shown or {str(number): {} for number in range(1, several + 1)}
    shared = cores.threads(len(shown)) | without_pepper(queues) | {SUPERVISOR: str(os.getpid())}
    usual = ENVIRONMENT | held(queues)
    chosen = {name: value for name, value in usual.items() if name not in os.environ}
    return [
        _child(queues, f"{label}-{name.replace('/', '-')}", {**chosen, **shared, **own})
        for name, own in shown.items()
    ]


def _child(queues: Sequence[str], name: str, environment: dict[str, str]) -> Child:
    return Child(f"{name}@{socket.gethostname()}", arguments(queues, name), None, environment)


class Crew:
    """Keeps workers alive until it is told to stop: what dies is started again, later each time."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.stopping = False
        self._settings = settings
        self._children = Children(say, lambda: disk.is_short(settings))

    def run(self, workers: Sequence[Child]) -> None:
        """Start them and watch them until `stopping` is set; raises GaveUp, or OSError at the start."""
        for worker in workers:
            if not self.stopping:
                self._children.launch(worker)
        while not self.stopping:
            self._children.check()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Ask all at once to give their shards back and end; who does not is killed in the end."""
        self.stopping = True
        running = self._children.running
        for one in running.values():
            with suppress(ProcessLookupError):
                one.process.send_signal(signal.Signals[one.child.stop_signal])
        deadline = time.monotonic() + self._settings.shutdown_seconds + SPARE_SECONDS
        for name in list(running):
            one = running.pop(name)
            processes.stop(one, max(0.0, deadline - time.monotonic()))
            self._children.say(f"{name} (process {one.process.pid}) has ended")
