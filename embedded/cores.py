"""How many processes compute side by side in embedded mode, and how many threads each of them has.

A small model's products are too small for two threads: measured with 135M parameters on two cores, a training
takes as long on one thread as on two, so two processes of one thread do nearly twice the work.
"""

import os
from pathlib import Path

import psutil

MOST = 2  # more were not measured
MEMORY_OF_TWO = 8 * 2**30  # bytes: each holds a model of its own
GPU = Path("/dev/nvidia0")


def processes(wanted: int | None) -> int:
    """Of each queue that computes on a model: what is wanted, or what suits this machine."""
    if wanted is not None:
        return wanted
    if GPU.exists() or psutil.virtual_memory().total < MEMORY_OF_TWO:
        return 1
    return min(MOST, cores())


def threads(processes: int) -> dict[str, str]:
    """Variables that give each of so many processes its share of the cores; what the user set stays."""
    if processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // processes))}


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
