"""One-time conversion of a GGUF file to a plain safetensors folder that loads in a second."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig


def convert(gguf: Path, folder: Path) -> None:
    """Write model, configuration and tokenizer of ``gguf`` into ``folder``; weights are kept as float16.

    A model loaded from GGUF refuses to be saved, so its unpacked weights go into a fresh one.
    """
    packed: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        local_files_only=True,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    config = AutoConfig.for_model(**{**packed.config.to_dict(), "quantization_config": None})
    del config.quantization_config
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float16)  # type: ignore[no-untyped-call]  # upstream
    model.load_state_dict(packed.state_dict())
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    tokenizer.save_pretrained(folder)
