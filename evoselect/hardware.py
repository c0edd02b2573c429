"""What the machine's arithmetic units can do."""

import torch

BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16")  # of a CPU; without one bfloat16 is emulated and slower


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(unit) for unit in BFLOAT16_UNITS)
