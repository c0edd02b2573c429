"""What gradient features cost, against a LoRA training step and against one backward for each example.

    python -m benchmarks.features --json [--quick] [--device cuda] [--shape qwen2-0.5b] [--out result.json]

One model, the same rows, the same threads, one run. By default on a CPU the default proxy and the demo's
records, on CUDA a random-weight Qwen2 of 0.5B parameters in bfloat16 with random tokens of the same lengths.
Every time is the better of two, taken in turns. Forward, LoRA step and one by one run on batches that
pad them least. The LoRA step is LESS's: rank 128 on the q, k, v and o projections, forward, backward and
AdamW, logits for answer tokens only. One by one is that backward for each example alone, without the
optimizer, timed on the first rows and scaled by tokens; projected adds LESS's Rademacher projection to 8,192,
timed on a part of the coordinates. The floor is the features' own forward and backward through activations,
without hooks and sketches. rank_agreement_top_vs_all is the Spearman correlation of the pool's mean cosine to
the target by these features with that by all layers and all positions under another seed; noise_ceiling is
the same between two such references.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks import feature_inputs as inputs
from benchmarks.feature_inputs import PROXY, SHAPES, Batches
from benchmarks.machine import describe, usable_device
from evoselect.gradients.examples import Example, plan_batches
from evoselect.gradients.extractor import GradientExtractor, extract_together
from evoselect.gradients.layers import choose_layers
from evoselect.gradients.passes import answer_losses
from evoselect.representations.shards import condition
from evoselect.spec.features import FeatureSpec
from workers.features.compute import BATCH_TOKENS

LESS_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj"]
LESS_DIMS = 8192
LESS_GROUP = 16  # gradients that LESS projects together
PROJECTED = 2**14  # coordinates of the gradient that the projection is timed on; the rest is in proportion
TOP = "top-8"
ROWS = {"timed": 160, "pool": 320, "target": 48, "alone": 16}
QUICK_ROWS = {"timed": 40, "pool": 64, "target": 16, "alone": 4}
REPEATS = 2
GPU_COPIES = 16  # of the timed rows, so that a GPU is busy

Json = dict[str, Any]


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 50 seconds on two cores")
    parser.add_argument("--device", type=usable_device, default="cpu", help="cpu or cuda")
    parser.add_argument("--shape", choices=[PROXY, *SHAPES], help="model; by default as said above")
    parser.add_argument("--out", type=Path, help="keep the result in this file too")
    arguments = parser.parse_args()
    shape = arguments.shape or (PROXY if arguments.device == "cpu" else "qwen2-0.5b")
    result = measure(arguments.device, shape, quick=arguments.quick)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=None if arguments.json else 1))
    return 0


def measure(device: str, shape: str, *, quick: bool) -> Json:
    """Every number of the benchmark."""
    rows = QUICK_ROWS if quick else ROWS
    model, what = inputs.make_model(shape, device)
    vocabulary = None if shape == PROXY else model.config.vocab_size
    pool, target = inputs.texts(max(rows["timed"], rows["pool"]), rows["target"], vocabulary=vocabulary)
    examples = pool[: rows["timed"]] * (GPU_COPIES if device == "cuda" else 1)
    spec = FeatureSpec(batch_tokens=BATCH_TOKENS[device])
    times = _times(model, examples, spec, alone=rows["alone"])
    agreement = _agreement(model, pool[: rows["pool"]], target, spec) if shape == PROXY else {}
    features = times["seconds_features_all"]
    return {
        **{name: round(value, 4) for name, value in times.items()},
        "ratio_to_lora_step": round(features / times["seconds_lora_step"], 4),
        "ratio_to_forward": round(features / times["seconds_forward"], 4),
        "ratio_to_floor": round(features / times["seconds_floor"], 4),
        "speedup_vs_one_by_one": round(times["seconds_one_by_one"] / features, 2),
        "speedup_vs_projected": round(times["seconds_one_by_one_projected"] / features, 2),
        "tokens_per_second": round(inputs.tokens(examples) / features, 1),
        "rank_agreement_top_vs_all": agreement.get("rank"),
        "noise_ceiling": agreement.get("ceiling"),
        "model": what,
        "rows": len(examples),
        "tokens": inputs.tokens(examples),
        "answer_tokens": inputs.answer_tokens(examples),
        "flop_utilisation": inputs.utilisation(model, examples, features),
        "spec": spec.model_dump(),
        "machine": describe(),
    }


def _times(model: Any, examples: Sequence[Example], spec: FeatureSpec, alone: int) -> dict[str, float]:
    budget = spec.batch_tokens or 1
    own = inputs.batches(examples, budget, cached_prompt=spec.positions == "answer")
    whole = inputs.batches(examples, budget, cached_prompt=False)
    every, top = (GradientExtractor(model, spec.model_copy(update={"layers": kind})) for kind in ("all", TOP))
    adapted = _adapted(model)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4)
    part = examples[:alone]
    times = _best(
        {
            "seconds_forward": lambda: _forward(model, whole),
            "seconds_floor": lambda: _floor(model, own, spec),
            "seconds_features_all": lambda: [every(batch) for batch in own],
            "seconds_features_top": lambda: [top(batch) for batch in own],
            "seconds_lora_step": lambda: _train(adapted, optimizer, whole, step=True),
        },
        REPEATS,
    )
    one = _best(
        {"alone": lambda: _train(adapted, optimizer, [[example] for example in part], step=False)}, 1
    )["alone"]
    one *= inputs.tokens(examples) / inputs.tokens(part)
    projection = _projection(sum(weight.numel() for weight in weights), weights[0].device) * len(examples)
    return times | {"seconds_one_by_one": one, "seconds_one_by_one_projected": one + projection}


def _best(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Seconds of the fastest run of each; they take turns, so that a busy moment of the machine hits all."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            _synchronize()
            start = time.perf_counter()
            work()
            _synchronize()
            times[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in times.items()}


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _forward(model: Any, batches: Batches) -> None:
    with torch.no_grad():
        for batch in batches:
            answer_losses(model, batch, cached_prompt=False)


def _floor(model: Any, batches: Batches, spec: FeatureSpec) -> None:
    """The features' passes with nothing recorded: the graph starts where the lowest chosen layer is."""
    lowest = choose_layers(model, spec.layers, spec.modules)[0].module

    def start(_module: Any, _inputs: Any, output: Tensor) -> None:
        if torch.is_grad_enabled():
            output.requires_grad_()

    handle = lowest.register_forward_hook(start)
    for batch in batches:
        torch.autograd.backward(answer_losses(model, batch, cached_prompt=spec.positions == "answer").sum())
    handle.remove()


def _adapted(model: Any) -> Any:
    """A copy of the model with LESS's adapter on it, ready to be trained."""
    lora = LoraConfig(r=128, lora_alpha=512, target_modules=LESS_MODULES, task_type="CAUSAL_LM")
    return get_peft_model(copy.deepcopy(model), lora).train()


def _train(adapted: Any, optimizer: torch.optim.Optimizer, batches: Batches, *, step: bool) -> None:
    """Forward and backward of each batch, and an optimizer step where wanted."""
    for batch in batches:
        torch.autograd.backward(answer_losses(adapted, batch, cached_prompt=False).mean())
        if step:
            optimizer.step()
        optimizer.zero_grad()


def _projection(dims: int, device: torch.device) -> float:
    """Seconds to project one gradient of ``dims`` numbers to LESS_DIMS by signs made on the fly."""
    gradients = torch.randn(LESS_GROUP, PROJECTED, device=device)

    def project() -> None:
        for start in range(0, PROJECTED, 4096):
            signs = torch.randint(0, 2, (4096, LESS_DIMS), device=device, dtype=torch.int8)
            gradients[:, start : start + 4096] @ (signs.float() * 2 - 1)

    return _best({"project": project}, 2)["project"] * dims / PROJECTED / LESS_GROUP


def _agreement(
    model: Any, pool: Sequence[Example], target: Sequence[Example], spec: FeatureSpec
) -> dict[str, float]:
    """Spearman of the pool's similarity to the target: this spec against all layers and positions."""
    references = [spec.model_copy(update={"positions": "all", "seed": seed}) for seed in (1, 2)]
    one, two = _scores(model, pool, target, references)
    [own] = _scores(model, pool, target, [spec])
    return {
        "rank": round(float(spearmanr(own, one).statistic), 4),
        "ceiling": round(float(spearmanr(one, two).statistic), 4),
    }


def _scores(
    model: Any, pool: Sequence[Example], target: Sequence[Example], specs: Sequence[FeatureSpec]
) -> list[Tensor]:
    """Mean cosine of every pool row to the target, by each spec, from one pass."""
    extractors = [GradientExtractor(model, spec) for spec in specs]
    rows, cached = [*pool, *target], specs[0].positions == "answer"
    values = [torch.zeros(len(rows), len(each.blocks), each.block_dim) for each in extractors]
    sizes = [row.size(cached_prompt=cached) for row in rows]
    for batch in plan_batches(sizes, specs[0].batch_tokens or 1):
        for into, found in zip(values, extract_together(extractors, [rows[i] for i in batch]), strict=True):
            into[batch] = found.values
    scores = []
    for spec, raw in zip(specs, values, strict=True):
        candidates, targets = condition(raw[: len(pool)], raw[len(pool) :], spec)
        scores.append((candidates @ targets.T).mean(1))
    return scores


if __name__ == "__main__":
    sys.exit(main())
