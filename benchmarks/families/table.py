"""The families: a configuration of two layers, a tokenizer and a template in the form of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from benchmarks.families import templates
from benchmarks.families.tokenizers import PIECES, byte_level, normalised, spaced, unigram, wrapped

SHAPE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.3,
}  # fmt: skip
"""Large weights, so that every token matters."""
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256, "initializer_range": 0.3}
SPECIAL = ["<unk>", "<s>", "</s>"]
TEXT_END = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Family:
    """One family's conventions."""

    kind: str
    """Of the model, as transformers names it."""
    tokenizer: Callable[[], PreTrainedTokenizerFast]
    config: dict[str, Any] = field(default_factory=lambda: SHAPE)
    refuses_system: bool = False
    """Whether the template raises on a system turn."""
    modules: str = "*"
    """What features are taken of, where the default is refused."""
    share: float = 1.0
    """Of a layer's weights that they see, at least."""


def _sentencepiece(template: str | None) -> Callable[[], PreTrainedTokenizerFast]:
    return lambda: wrapped(
        spaced([*SPECIAL, "[INST]", "[/INST]"], prefix=True, before="<s>"), template, bos="<s>", eos="</s>"
    )


def _bytes(template: str | None, *tokens: str, **how: Any) -> Callable[[], PreTrainedTokenizerFast]:
    """The last of the tokens is the end token."""
    return lambda: wrapped(byte_level(tokens, **how), template, bos=how.get("before"), eos=tokens[-1])


FAMILIES = {
    "llama-2": Family("llama", _sentencepiece(templates.LLAMA2)),
    "mistral": Family("mistral", _sentencepiece(templates.MISTRAL), {**SHAPE, "sliding_window": 16}, True),
    "llama-3": Family(
        "llama",
        _bytes(
            templates.LLAMA3, "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
            "<|end_of_text|>", before="<|begin_of_text|>", pieces=PIECES,
        ),
    ),
    "qwen2": Family("qwen2", _bytes(templates.CHATML, TEXT_END, "<|im_start|>", "<|im_end|>", pieces=PIECES)),
    "qwen3": Family(
        "qwen3",
        _bytes(templates.THINKING, TEXT_END, "<|im_start|>", "<|im_end|>", pieces=PIECES),
        {**SHAPE, "head_dim": 16},
    ),
    "gemma": Family(
        "gemma",
        lambda: wrapped(
            normalised(["<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"], before="<bos>"),
            templates.GEMMA, bos="<bos>", eos="<eos>",
        ),
        {**SHAPE, "head_dim": 16},
        True,
    ),
    "phi-3": Family(
        "phi3",
        _bytes(templates.PHI3, "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", TEXT_END),
        {**SHAPE, "pad_token_id": 0},
    ),
    "gpt-2": Family("gpt2", _bytes(None, TEXT_END), GPT2),
    "gpt-neox": Family("gpt_neox", _bytes(None, TEXT_END, trim=False)),
    "opt": Family(
        "opt", _bytes(None, "<pad>", "</s>", before="</s>"),
        {**SHAPE, "ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.3},
    ),
    "phi": Family("phi", _bytes(None, TEXT_END)),
    "falcon": Family("falcon", _bytes(templates.FALCON, TEXT_END), {**SHAPE, "alibi": False}),
    "bloom": Family(
        "bloom", _bytes(None, "<unk>", "<s>", "</s>"),
        {"hidden_size": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.3, "seq_length": 256},
    ),
    "xglm": Family(
        "xglm",
        lambda: wrapped(unigram(SPECIAL, before="</s>"), None, bos="<s>", eos="</s>"),
        {
            "d_model": 32, "num_layers": 2, "attention_heads": 2, "ffn_dim": 48, "init_std": 0.3,
            "max_position_embeddings": 256,
        },
    ),
    "ends every text": Family(
        "llama",
        _bytes(templates.CHATML, "<s>", "<|im_start|>", "<|im_end|>", "</s>", before="<s>", behind="</s>"),
    ),
    "mixtral": Family(
        "mixtral", _sentencepiece(templates.MISTRAL), {**SHAPE, "num_local_experts": 4}, True, "*_proj", 0.1
    ),
    "qwen2-moe": Family(
        "qwen2_moe",
        _bytes(templates.CHATML, TEXT_END, "<|im_start|>", "<|im_end|>", pieces=PIECES),
        {
            **SHAPE, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 32,
        },
        False, "*_proj|shared_expert_gate", 0.4,
    ),
}  # fmt: skip


def write(family: Family, folder: Path) -> Path:
    """The family's model and tokenizer in a folder, as a model is published."""
    tokenizer = family.tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    network(family, len(tokenizer), **ids).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def network(family: Family, vocabulary: int, **ids: Any) -> Any:
    """The family's model with weights from seed 0, in float32."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(family.kind, **{**ids, **family.config, "vocab_size": vocabulary})
    make: Any = AutoModelForCausalLM.from_config  # upstream has no types
    return make(config).eval()
