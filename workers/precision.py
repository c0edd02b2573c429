"""Which arithmetic this machine is faster with: measured once in a process, never assumed."""

import time
from functools import cache
from statistics import median
from typing import Literal

import torch

Dtype = Literal["auto", "float32", "bfloat16"]
WORTH_IT = 1.5  # bfloat16 must win by this factor, else its lost digits buy little and noise would decide
ROWS, INNER, COLUMNS = 1024, 576, 1536  # a batch of tokens through one layer of the default proxy


def resolve_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """The dtype that a spec means on this device."""
    if dtype == "auto":
        return torch.bfloat16 if bfloat16_is_faster(str(device)) else torch.float32
    return torch.float32 if dtype == "float32" else torch.bfloat16


@cache
def bfloat16_is_faster(device: str) -> bool:
    """Whether a bfloat16 matrix product takes at most 1 / WORTH_IT of the time of a float32 one here."""
    return _seconds(torch.float32, device) > WORTH_IT * _seconds(torch.bfloat16, device)


def _seconds(dtype: torch.dtype, device: str) -> float:
    left = torch.ones(ROWS, INNER, dtype=dtype, device=device)
    right = torch.ones(INNER, COLUMNS, dtype=dtype, device=device)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        float((left @ right)[0, 0])  # reading one number waits for an asynchronous device
        times.append(time.perf_counter() - start)
    return median(times[2:])
