"""How much memory a process and its children take at most while something is done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def growth(pid: int, every: float) -> Iterator[list[int]]:
    """One number: bytes held at most during the block less those before; `every` is in seconds."""
    process, done = psutil.Process(pid), threading.Event()
    before, most = _resident(process), [0]

    def look() -> None:
        while not done.wait(every):
            most[0] = max(most[0], _resident(process) - before)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def _resident(process: psutil.Process) -> int:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:  # a child that has just ended
            continue
    return total
