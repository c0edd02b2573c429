"""How much memory processes take at most while something is done."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def watched(look: Callable[[], None], every: float) -> Iterator[None]:
    """Have a thread look every so many seconds during the block."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(every):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextmanager
def growth(pid: int, every: float) -> Iterator[list[int]]:
    """One number: bytes held at most during the block less those before; `every` is in seconds."""
    process = psutil.Process(pid)
    before, most = _resident(process), [0]

    def look() -> None:
        most[0] = max(most[0], _resident(process) - before)

    with watched(look, every):
        yield most


def _resident(process: psutil.Process) -> int:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:  # a child that has just ended
            continue
    return total
