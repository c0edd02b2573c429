"""What gradient features cost, against a LoRA training step and against one backward for each example.

    python -m benchmarks.features --json [--quick] [--device cuda] [--out result.json]

One model, the same tokens, the same threads, one run. On a CPU: the default proxy and the demo's records. On
CUDA: a random-weight Qwen2 of 0.5B parameters in bfloat16 with random tokens of the same lengths. Every
number is the best of the repeats after a warm-up. The LoRA step is LESS's: rank 128 on the q, k, v and o
projections, forward, backward and AdamW, with logits for answer tokens only. One by one is that backward for
each example alone, without the optimizer, timed on the first rows and scaled by tokens; projected adds LESS's
Rademacher projection to 8,192, timed on a part of the coordinates.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from scipy.stats import spearmanr

from benchmarks.demo.data import build
from benchmarks.demo.machine import describe_machine
from evoselect.conditioning import condition
from evoselect.gradients.examples import Example, plan_batches
from evoselect.gradients.extractor import GradientExtractor
from evoselect.gradients.passes import answer_losses
from evoselect.spec.features import FeatureSpec
from store.model_registry import DEFAULT_ALIAS
from store.records import parse_record
from workers.features import BATCH_TOKENS
from workers.models import load
from workers.tokenization import tokenize

LESS_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj"]
LESS_DIMS = 8192
LESS_GROUP = 16  # gradients that LESS projects together
PROJECTED = 2**14  # coordinates of the gradient that the projection is timed on; the rest is in proportion
TOP = "top-8"
# All linear layers and positions, by sketches of another seed.
REFERENCE = {"positions": "all", "seed": 1}
PEAK_FLOPS = {"NVIDIA H100": 989e12, "NVIDIA H200": 989e12}  # dense bfloat16, as the vendor states

Json = dict[str, Any]
Batches = Sequence[Sequence[Example]]


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 50 seconds on two cores")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--out", type=Path, help="keep the result in this file too")
    arguments = parser.parse_args()
    result = measure(arguments.device, quick=arguments.quick)
    text = json.dumps(result, indent=None if arguments.json else 1)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(text)
    return 0


def measure(device: str, *, quick: bool) -> Json:
    """Every number of the benchmark."""
    examples, targets = _texts(pool=48 if quick else 384, targets=24 if quick else 64)
    model, what = _proxy() if device == "cpu" else _random_qwen2()
    if device == "cuda":
        examples = [_random_tokens(example, model) for example in examples * 8]
    spec = FeatureSpec(batch_tokens=BATCH_TOKENS[device])
    repeats = 1 if quick else 2
    batches = [[examples[i] for i in batch] for batch in _plan(examples, spec)]
    tokens = sum(_lengths(examples))
    agreement = _rank_agreement(model, examples, targets, spec) if device == "cpu" else None
    seconds = {
        "seconds_forward": _best(lambda some: _forward(model, some), batches, repeats),
        "seconds_features_all": _features(model, batches, spec, repeats),
        "seconds_features_top": _features(model, batches, spec.model_copy(update={"layers": TOP}), repeats),
    }
    seconds |= _lora(model, batches, examples, repeats, part=8 if quick else 32)
    ratio = seconds["seconds_features_all"]
    return {
        **{name: round(value, 4) for name, value in seconds.items()},
        "ratio_to_lora_step": round(ratio / seconds["seconds_lora_step"], 4),
        "ratio_to_forward": round(ratio / seconds["seconds_forward"], 4),
        "speedup_vs_one_by_one": round(seconds["seconds_one_by_one"] / ratio, 2),
        "speedup_vs_projected": round(seconds["seconds_one_by_one_projected"] / ratio, 2),
        "tokens_per_second": round(tokens / ratio, 1),
        "rank_agreement_top_vs_all": agreement,
        "model": what,
        "rows": len(examples),
        "tokens": tokens,
        "answer_tokens": sum(len(example.ids) - example.start for example in examples),
        "flop_utilisation": _utilisation(model, examples, seconds["seconds_features_all"]),
        "spec": spec.model_dump(),
        "machine": describe_machine(),
    }


def _texts(pool: int, targets: int) -> tuple[list[Example], list[Example]]:
    data = build()
    tokenizer = load(DEFAULT_ALIAS).tokenizer
    found = []
    for rows in (data.pool[:pool], data.target[:targets]):
        items = tokenize([parse_record(row) for row in rows], tokenizer, 2048)
        found.append([item.example for item in items if item.example is not None])
    return found[0], found[1]


def _proxy() -> tuple[Any, str]:
    loaded = load(DEFAULT_ALIAS)
    return loaded.model, f"{DEFAULT_ALIAS}, {loaded.dtype}, {torch.get_num_threads()} threads"


def _random_qwen2() -> tuple[Any, str]:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=151_936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
        num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    model: Any = Qwen2ForCausalLM(config)
    device = torch.cuda.get_device_name()
    return model.to("cuda", torch.bfloat16).eval().requires_grad_(
        False
    ), f"random Qwen2 0.5B, bfloat16, {device}"


def _random_tokens(example: Example, model: Any) -> Example:
    ids = torch.randint(0, model.config.vocab_size, (len(example.ids),)).tolist()
    return Example(ids, example.start)


def _plan(examples: Sequence[Example], spec: FeatureSpec) -> list[list[int]]:
    cached = spec.positions == "answer"
    return plan_batches([example.size(cached_prompt=cached) for example in examples], spec.batch_tokens or 1)


def _lengths(examples: Sequence[Example]) -> list[int]:
    return [len(example.ids) for example in examples]


def _best(work: Callable[[Batches], object], batches: Batches, repeats: int) -> float:
    """Seconds of the fastest run after a warm-up on the first batch."""
    work(batches[:1])
    times = []
    for _ in range(repeats):
        _synchronize()
        start = time.perf_counter()
        work(batches)
        _synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _forward(model: Any, batches: Batches) -> None:
    with torch.no_grad():
        for batch in batches:
            answer_losses(model, batch, cached_prompt=False)


def _features(model: Any, batches: Batches, spec: FeatureSpec, repeats: int) -> float:
    extractor = GradientExtractor(model, spec)
    return _best(lambda some: [extractor(batch) for batch in some], batches, repeats)


def _lora(
    model: Any, batches: Batches, examples: Sequence[Example], repeats: int, part: int
) -> dict[str, float]:
    """Seconds of LoRA steps over the batches, and of one backward for each example; the model is restored."""
    adapted: Any = get_peft_model(
        model, LoraConfig(r=128, lora_alpha=512, target_modules=LESS_MODULES, task_type="CAUSAL_LM")
    ).train()
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4)

    def steps(some: Batches) -> None:
        for batch in some:
            torch.autograd.backward(answer_losses(adapted, batch, cached_prompt=False).mean())
            optimizer.step()
            optimizer.zero_grad()

    def alone(some: Batches) -> None:
        for batch in some:
            torch.autograd.backward(answer_losses(adapted, batch, cached_prompt=False).mean())
            optimizer.zero_grad()

    step = _best(steps, batches, repeats)
    one = (
        _best(alone, [[example] for example in examples[:part]], 1)
        * sum(_lengths(examples))
        / sum(_lengths(examples[:part]))
    )
    projection = _projection(sum(weight.numel() for weight in weights), weights[0].device) * len(examples)
    adapted.unload()
    model.eval().requires_grad_(False)
    return {
        "seconds_lora_step": step,
        "seconds_one_by_one": one,
        "seconds_one_by_one_projected": one + projection,
    }


def _projection(dims: int, device: torch.device) -> float:
    """Seconds to project one gradient of ``dims`` numbers to LESS_DIMS by signs made on the fly."""
    gradients = torch.randn(LESS_GROUP, PROJECTED, device=device)

    def project() -> None:
        for start in range(0, PROJECTED, 4096):
            signs = torch.randint(0, 2, (4096, LESS_DIMS), device=device, dtype=torch.int8)
            gradients[:, start : start + 4096] @ (signs.float() * 2 - 1)

    return _best(lambda _: project(), [], 1) * dims / PROJECTED / LESS_GROUP


def _rank_agreement(
    model: Any, pool: Sequence[Example], target: Sequence[Example], spec: FeatureSpec
) -> float:
    """Spearman of the pool's similarity to the target: this spec against REFERENCE."""
    scores = []
    for one in (spec, spec.model_copy(update=REFERENCE)):
        extractor = GradientExtractor(model, one)
        sides = [_extract(extractor, rows, one) for rows in (pool, target)]
        candidates, targets = condition(sides[0], sides[1], one)
        scores.append((candidates @ targets.T).mean(1))
    return round(float(spearmanr(scores[0], scores[1]).statistic), 4)


def _extract(extractor: GradientExtractor, examples: Sequence[Example], spec: FeatureSpec) -> torch.Tensor:
    values = torch.zeros(len(examples), len(extractor.blocks), extractor.block_dim)
    for batch in _plan(examples, spec):
        values[batch] = extractor([examples[i] for i in batch]).values
    return values


def _utilisation(model: Any, examples: Sequence[Example], seconds: float) -> float | None:
    """Share of the peak: 2 flops a weight for each token forward, 2 more for each answer token backward."""
    name = torch.cuda.get_device_name() if next(model.parameters()).is_cuda else ""
    peak = next((flops for prefix, flops in PEAK_FLOPS.items() if name.startswith(prefix)), None)
    if peak is None:
        return None
    weights = sum(weight.numel() for weight in model.parameters())
    head = model.get_output_embeddings().weight.numel()  # runs for answer tokens only
    answers = sum(len(example.ids) - example.start for example in examples)
    flops = 2 * (weights - head) * (sum(_lengths(examples)) + answers) + 4 * head * answers
    return round(float(flops / seconds / peak), 4)


if __name__ == "__main__":
    sys.exit(main())
