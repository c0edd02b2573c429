"""How much memory a process may still take, and a bound on it while a shard is worked on.

Linux promises memory that it does not have, and then kills whom it likes. With the bound the shard's own
allocation fails instead: a micro-batch is halved, or one job fails and says so.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SHARE = 0.9  # of what is free: the rest is for those beside us
FLOOR = 2**31  # bytes; an ordinary job takes as much, and may only have to wait until others are done
# Version 2 and version 1 of control groups: the limit, and what is used of it.
CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
STATUS = Path("/proc/self/status")
NVIDIA = Path("/dev/nvidiactl")


def available() -> int:
    """Bytes that this process may take beside what it has: of the machine, of its container, of its bound."""
    free = psutil.virtual_memory().available
    for limit, used in CONTROL_GROUPS:
        if limit.is_file() and (most := limit.read_text().strip()).isdigit():
            free = min(free, int(most) - int(used.read_text()))
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY and STATUS.is_file():
        free = min(free, soft - data_bytes())
    return max(free, 0)


@contextmanager
def bounded() -> Iterator[None]:
    """Inside, the process gets at most SHARE of what is free now, FLOOR at least; beyond it allocations fail.

    Private writable memory alone counts (RLIMIT_DATA): not files that are mapped, not address space that is
    only reserved. Not beside an NVIDIA driver, which maps more than it takes.
    """
    if sys.platform != "linux" or NVIDIA.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = data_bytes() + max(int(SHARE * available()), FLOOR)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def exhausted(error: Exception) -> bool:
    """Whether the error says that memory did not suffice."""
    if isinstance(error, RuntimeError):
        from evoselect.gradients.examples import out_of_memory  # with torch, which has raised it

        return out_of_memory(error)
    return isinstance(error, MemoryError)


def data_bytes() -> int:
    """What counts for RLIMIT_DATA of this process so far."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024  # kB
