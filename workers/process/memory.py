"""How much memory a process may still take, and a bound on it while a shard is worked on.

Linux promises memory that it does not have, and then kills whom it likes. With the bound the shard's own
allocation fails instead: a micro-batch is halved, or one job fails and says so. Where others had most of the
memory when the shard began, it is tried again later.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SHARE = 0.9  # of what is free: the rest is for those beside us
# Bytes; an ordinary job takes as much and may only have to wait until others are done. Measured with a model
# of 135M weights, libraries and the stacks of threads included: features 2.2 GB, training 3.8 GB.
FLOOR = 2**32
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


class Crowded(Exception):
    """Memory did not suffice, and others had most of it when the shard began: it may suffice later."""


def available() -> int:
    """Bytes that this process may take beside what it has: of the machine, of its container, of its bound."""
    free = psutil.virtual_memory().available
    for most, used in _control_groups():
        free = min(free, most - used)
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY and STATUS.is_file():
        free = min(free, soft - data_bytes())
    return max(free, 0)


def total() -> int:
    """Bytes that this process could have if it were alone."""
    most = psutil.virtual_memory().total
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    bounds = [most for most, _ in _control_groups()] + ([] if hard == resource.RLIM_INFINITY else [hard])
    return min([most, *bounds])


def _control_groups() -> Iterator[tuple[int, int]]:
    """Limit and use of each control group that has a limit."""
    for limit, used in CONTROL_GROUPS:
        if limit.is_file() and (most := limit.read_text().strip()).isdigit():
            yield int(most), int(used.read_text())


@contextmanager
def bounded() -> Iterator[None]:
    """Inside, the process gets at most SHARE of what is free now, FLOOR at least; beyond it allocations fail.

    Raises Crowded for such a failure where others have more than half of what there is.

    Private writable memory alone counts (RLIMIT_DATA): not files that are mapped, not address space that is
    only reserved. Not beside an NVIDIA driver, which maps more than it takes.
    """
    if sys.platform != "linux" or NVIDIA.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    own, free = data_bytes(), available()
    wanted = own + max(int(SHARE * free), FLOOR)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    crowded = own + free < total() / 2
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    except Exception as error:
        if crowded and (exhausted(error) or exhausted(error.__cause__)):  # a batch halved down to one row
            raise Crowded(f"others had most of the memory: {error}") from error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def exhausted(error: BaseException | None) -> bool:
    """Whether the error says that memory did not suffice."""
    if isinstance(error, RuntimeError):
        from evoselect.gradients.examples import out_of_memory  # with torch, which has raised it

        return out_of_memory(error)
    return isinstance(error, MemoryError)


def data_bytes() -> int:
    """What counts for RLIMIT_DATA of this process so far."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024  # kB
