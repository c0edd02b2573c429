"""Which arithmetic `auto` means: decided by what the hardware has, so that every process decides alike.

Measured on a CPU with avx512_bf16 and AMX, 1024 x 576 by 576 x 1536: bfloat16 1.0 ms, float32 7.0 ms. Timing
it in each process instead would let a loaded machine's noise give two workers different features.
"""

from typing import Literal

import torch

from evoselect.hardware import has_bfloat16

Dtype = Literal["auto", "float32", "bfloat16"]


def resolve_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """The dtype that a spec means on this device."""
    if dtype == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    return torch.float32 if dtype == "float32" else torch.bfloat16
