"""What the machine's arithmetic units can do."""

import time
from functools import cache

import torch
from torch import Tensor

TRIAL = 1_024, 512  # rows of either factor of a product that is timed, and their numbers
TRIALS = 3  # the best of each counts
BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16")  # of a CPU; without one bfloat16 is emulated and slower


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(unit) for unit in BFLOAT16_UNITS)


@cache
def multiplies_faster_coarsely(device: torch.device) -> bool:
    """Whether products of bfloat16 matrices are faster than of float32, by a trial where they have units.

    Units alone do not say so: a virtual Intel Xeon with avx512_bf16 and no amx took 1.9 times as long. Only
    for products that find what float32 decides about: results do not depend on it.
    """
    if not has_bfloat16(device):
        return False
    rows = torch.zeros(TRIAL, device=device)
    return _seconds(rows.bfloat16()) < _seconds(rows)


def _seconds(rows: Tensor) -> float:
    """Of the product of the rows (n, d) with themselves."""
    least = float("inf")
    for _ in range(TRIALS):
        start = time.perf_counter()
        float((rows @ rows.T)[0, 0])  # waits for a device that works beside
        least = min(least, time.perf_counter() - start)
    return least
