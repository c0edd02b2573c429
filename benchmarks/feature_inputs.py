"""What the features benchmark runs on: a model by shape, examples of real lengths, batches."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from benchmarks.demo.data import build
from evoselect.gradients.examples import Example, plan_batches
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import parse_record
from workers.models.loading import load
from workers.models.tokenization import tokenize

SHAPES: dict[str, dict[str, Any]] = {
    "qwen2-0.5b": {
        "vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
        "num_attention_heads": 14, "num_key_value_heads": 2,
    },
    "qwen2-tiny": {
        "vocab_size": 2048, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2,
    },
}  # fmt: skip
PROXY = "proxy"
PEAK_FLOPS = {"NVIDIA H100": 989e12, "NVIDIA H200": 989e12}  # dense bfloat16, as the vendor states

Batches = list[list[Example]]


def make_model(shape: str, device: str) -> tuple[Any, str]:
    """The default proxy, or random weights of a shape in bfloat16; and its description."""
    if shape == PROXY:
        loaded = load(DEFAULT_ALIAS)
        return loaded.model, f"{DEFAULT_ALIAS}, {loaded.dtype}, {torch.get_num_threads()} threads"
    torch.manual_seed(0)
    model: Any = Qwen2ForCausalLM(Qwen2Config(**SHAPES[shape], tie_word_embeddings=True))
    where = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
    frozen = model.to(device, torch.bfloat16).eval().requires_grad_(False)
    return frozen, f"random {shape}, bfloat16, {where}"


def texts(pool: int, targets: int, *, vocabulary: int | None = None) -> tuple[list[Example], list[Example]]:
    """Rows of the demo's pool and target; random tokens of the same lengths for another ``vocabulary``."""
    data = build()
    loaded = load(DEFAULT_ALIAS)
    found = []
    for rows in (data.pool[:pool], data.target[:targets]):
        items = tokenize([parse_record(row) for row in rows], loaded, 2048)
        examples = [item.example for item in items if item.example is not None]
        found.append([_random(example, vocabulary) if vocabulary else example for example in examples])
    return found[0], found[1]


def _random(example: Example, vocabulary: int) -> Example:
    return Example(torch.randint(0, vocabulary, (len(example.ids),)).tolist(), example.start)


def batches(examples: Sequence[Example], budget: int, *, cached_prompt: bool) -> Batches:
    """Micro-batches by length: with a cached prompt as features run, without as a training step would."""
    plan = plan_batches([example.size(cached_prompt=cached_prompt) for example in examples], budget)
    return [[examples[row] for row in batch] for batch in plan]


def tokens(examples: Sequence[Example]) -> int:
    """Of prompts and answers."""
    return sum(len(example.ids) for example in examples)


def answer_tokens(examples: Sequence[Example]) -> int:
    """Of answers."""
    return sum(len(example.ids) - example.start for example in examples)


def utilisation(model: Any, examples: Sequence[Example], seconds: float) -> float | None:
    """Share of the peak: 2 flops a weight for each token forward, 2 more for each answer token backward."""
    name = torch.cuda.get_device_name() if next(model.parameters()).is_cuda else ""
    peak = next((flops for prefix, flops in PEAK_FLOPS.items() if name.startswith(prefix)), None)
    if peak is None:
        return None
    weights = sum(weight.numel() for weight in model.parameters())
    head = model.get_output_embeddings().weight.numel()  # runs for answer tokens only
    answers = answer_tokens(examples)
    flops = 2 * (weights - head) * (tokens(examples) + answers) + 4 * head * answers
    return round(float(flops / seconds / peak), 4)
