"""Small random causal models of several architectures, and examples to run through them."""

from typing import Any

import torch
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from evoselect.gradients.examples import Example

VOCABULARY = 61
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,  # large, so that attention and nonlinearities matter
}
ARCHITECTURES = ("llama", "qwen2", "gpt2", "gemma", "mistral")


def tiny_model(architecture: str = "llama", seed: int = 0) -> Any:
    """A frozen float32 model in evaluation mode; mistral has a sliding window shorter than the examples."""
    torch.manual_seed(seed)
    if architecture == "gpt2":
        model: Any = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCABULARY, n_embd=16, n_inner=24, n_layer=3, n_head=4, n_positions=64,
                initializer_range=0.3,
            )
        )  # fmt: skip
    else:
        make: dict[str, tuple[Any, Any, dict[str, Any]]] = {
            "llama": (LlamaForCausalLM, LlamaConfig, {}),
            "qwen2": (Qwen2ForCausalLM, Qwen2Config, {}),
            "gemma": (GemmaForCausalLM, GemmaConfig, {"head_dim": 4}),
            "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": 5}),
        }
        kind, config, more = make[architecture]
        model = kind(config(**_SHAPE, **more))
    return model.eval().requires_grad_(False)


def examples(count: int = 7, seed: int = 0) -> list[Example]:
    """Examples of 3 to 20 tokens whose prompts and answers have all kinds of lengths.

    The first prompt is one token.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number in range(count):
        length = int(torch.randint(3, 21, (1,), generator=generator))
        start = 1 if number == 0 else int(torch.randint(1, length, (1,), generator=generator))
        found.append(Example(torch.randint(0, VOCABULARY, (length,), generator=generator).tolist(), start))
    return found


def chats(count: int = 6, seed: int = 1) -> list[Example]:
    """Examples with one to three spans between answers, the last with a span up to its last token but one."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number in range(count):
        ids = torch.randint(0, VOCABULARY, (24 - number,), generator=generator).tolist()
        starts = [6 + 4 * at for at in range(1 + number % 3)]
        found.append(Example(ids, 1 + number, tuple((at + number % 2, at + 3) for at in starts)))
    return [*found, Example(found[0].ids, 2, ((3, 23),))]
