"""What a measurement ran on: kept with every result so that numbers can be compared."""

import argparse
import os
import platform
import resource
import subprocess
from pathlib import Path

import torch


def usable_device(name: str) -> str:
    """The value of --device; argparse says what is wrong with another."""
    if name not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{name!r} is neither cpu nor cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(
            f"torch {torch.__version__} finds no CUDA GPU here: run it where nvidia-smi shows one, "
            "with a torch built for CUDA, or take --device cpu"
        )
    return name


def describe() -> dict[str, object]:
    """Processor, cores, memory, accelerator, library versions and commit."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerator": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "commit": _commit(),
    }


def peak_rss_gb() -> float:
    """Largest resident set of this process's program so far, in GiB.

    On Linux ``ru_maxrss`` begins with the size of the process that started the program.
    """
    own = peak_bytes_of(os.getpid())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 if own is None else own / 2**30


def peak_bytes_of(process: int) -> int | None:
    """The same of any process, in bytes; None where Linux does not say, or the process has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
