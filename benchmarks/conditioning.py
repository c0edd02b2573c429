"""Which conditioning of the features finds what a target needs: the table behind the default.

    python -m benchmarks.conditioning [--json] [--rows 100] [--train] [--out result.json]

Real questions of seven sets. Three sets in turn are the target: 20 questions choose, 40 others judge, and the
pool holds the same number of each set. Each conditioning selects a tenth of the pool, by mean cosine and by
round-robin over the targets. Judged by the share of the selected that comes from the target's own set, and by
the exact transport cost (1 - cosine) from the selected to the held-out questions, in one space for all: all
linear layers, all positions, another sketch, centred. With --train the default method selects under three of
them, a LoRA adapter is trained for one epoch on each selection and on random draws, and the held-out
questions' answers are scored: mean NLL a token.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ot
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.demo.data import FILES, read_set
from benchmarks.machine import describe
from evoselect.representations.conditioning import Kind, fit
from evoselect.select import select
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record, parse_record
from workers.evaluations.records import evaluate
from workers.features.block import FeatureBlock
from workers.features.compute import compute_features
from workers.models.loading import LoadedModel, load
from workers.trainings.lora import train_lora

TARGETS = ("OpenBookQA", "CommonsenseQA", "MedMCQA")
CHOOSING, JUDGING = 20, 40
MAX_CHARS = 400  # of a question: a few long ones would take most of the time
JUDGE = FeatureSpec(positions="all", seed=1)
SHRINKAGES = (1.0, 3.0, 10.0, 30.0)
TRAINED = ("none", "centred", "whitened, shrinkage 10")
RANDOM_SEEDS = (1, 2)

Json = dict[str, Any]
Rows = np.ndarray[Any, Any]
Choose = Callable[[Tensor, int], Rows]


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, default=100, help="candidates of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", action="store_true", help="also train on the selections: minutes more")
    parser.add_argument("--out", type=Path, help="keep the result in this file too")
    arguments = parser.parse_args()
    result = measure(arguments.rows, arguments.seed, train=arguments.train)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if arguments.json else _as_text(result))
    return 0


def measure(rows: int, seed: int, *, train: bool) -> Json:
    """One line for each conditioning: shares and costs, by target and on average."""
    records = _records(rows, seed)
    sources = np.array([record.group for record in records])
    in_pool = np.arange(len(records)) < rows * len(FILES)
    loaded = load(DEFAULT_ALIAS)
    block = _features(records, loaded, FeatureSpec())
    judge = _features(records, loaded, JUDGE)
    judged = fit(torch.from_numpy(judge.values[in_pool]), "centred").apply(torch.from_numpy(judge.values))
    lines, conditioned = [], _conditioned(block, in_pool)
    for name, features in conditioned:
        line: Json = {"conditioning": name}
        for method, choose in (("mean_cosine", _mean_cosine), ("round_robin", _round_robin)):
            found = [_judge(features, judged, sources, in_pool, target, choose) for target in TARGETS]
            line[method] = {
                "share": [share for share, _ in found],
                "cost": [cost for _, cost in found],
                "mean_share": round(float(np.mean([share for share, _ in found])), 4),
                "mean_cost": round(float(np.mean([cost for _, cost in found])), 4),
            }
        lines.append(line)
    return {
        "targets": TARGETS,
        "share_of_the_pool": round(1 / len(FILES), 4),
        "lines": lines,
        "nll_after_training": _trainings(records, in_pool, conditioned, loaded, seed) if train else None,
        "spec": FeatureSpec().model_dump(),
        "machine": describe(),
    }


def _records(rows: int, seed: int) -> list[Record]:
    """The pool, the same number of every set, and after it the questions of the targets."""
    rng = random.Random(seed)
    pool: list[Record] = []
    targets: list[Record] = []
    for name in FILES:
        texts = [item for item in read_set(name) if len(item.text) < MAX_CHARS]
        rng.shuffle(texts)
        wanted = texts[: rows + (CHOOSING + JUDGING if name in TARGETS else 0)]
        parsed = [
            parse_record(
                {"prompt": f"Question: {q.text}\nAnswer:", "completion": f" {q.answer}", "group": name}
            )
            for q in wanted
        ]
        pool += parsed[:rows]
        targets += parsed[rows:]
    return pool + targets


def _features(records: list[Record], loaded: LoadedModel, spec: FeatureSpec) -> FeatureBlock:
    return compute_features(records, loaded, spec, progress=lambda done: None)


def _conditioned(block: FeatureBlock, in_pool: Rows) -> list[tuple[str, Tensor]]:
    """Unit rows of all records under every conditioning, each fitted on the pool."""
    values = torch.from_numpy(block.values)
    raw = normalize((values * torch.from_numpy(block.norms)[:, :, None]).flatten(1), dim=1)
    found = [("unit norm of the whole row", raw)]
    kinds: list[tuple[Kind, float]] = [
        ("none", 1.0),
        ("centred", 1.0),
        *(("whitened", s) for s in SHRINKAGES),
    ]
    for kind, shrinkage in kinds:
        name = f"{kind}, shrinkage {shrinkage:g}" if kind == "whitened" else kind
        found.append((name, fit(values[in_pool], kind, shrinkage=shrinkage).apply(values)))
    return found


def _judge(
    features: Tensor, judged: Tensor, sources: Rows, in_pool: Rows, target: str, choose: Choose
) -> tuple[float, float]:
    """Share of the target's own set among the selected, and the cost to its held-out questions."""
    own = np.flatnonzero(~in_pool & (sources == target))
    pool = np.flatnonzero(in_pool)
    chosen = pool[choose(features[pool] @ features[own[:CHOOSING]].T, len(pool) // 10)]
    cost = (1 - judged[chosen] @ judged[own[CHOOSING:]].T).double().numpy()
    uniform = [np.full(size, 1 / size) for size in cost.shape]
    return round(float((sources[chosen] == target).mean()), 4), round(float(ot.emd2(*uniform, cost)), 4)


def _trainings(
    records: list[Record],
    in_pool: Rows,
    conditioned: list[tuple[str, Tensor]],
    loaded: LoadedModel,
    seed: int,
) -> dict[str, list[float]]:
    """Held-out NLL by conditioning, one for each target; random draws for comparison."""
    pool = np.flatnonzero(in_pool)
    k = len(pool) // 10
    draws = {f"random {s}": np.random.default_rng(s).permutation(len(pool))[:k] for s in RANDOM_SEEDS}
    found: dict[str, list[float]] = {name: [] for name in ("base", *TRAINED, *draws)}
    for target in TARGETS:
        own = [row for row, record in enumerate(records) if record.group == target and not in_pool[row]]
        held_out = [records[row] for row in own[CHOOSING:]]
        found["base"].append(_nll(loaded, held_out))
        chosen = dict(draws)
        for name, features in conditioned:
            if name in TRAINED:
                selection = select(features[pool], features[own[:CHOOSING]], k, SelectionSpec(), seed=seed)
                chosen[name] = np.array([item.index for item in selection.items()])
        for name, rows in chosen.items():
            found[name].append(_trained_nll([records[row] for row in pool[rows]], held_out, loaded, seed))
    return found


def _trained_nll(chosen: list[Record], held_out: list[Record], loaded: LoadedModel, seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        train_lora(
            chosen,
            None,
            loaded,
            spec=TrainingSpec(),
            out_dir=Path(folder),
            seed=seed,
            progress=lambda state: None,
        )
        return _nll(load(loaded.alias, Path(folder)), held_out)


def _nll(loaded: LoadedModel, held_out: list[Record]) -> float:
    result = evaluate(held_out, loaded, EvaluationSpec(), progress=lambda done: None)
    return round(float(result.summary()["answer_nll"]), 4)


def _mean_cosine(similarity: Tensor, k: int) -> Rows:
    found: Rows = similarity.mean(1).argsort(dim=0, descending=True, stable=True)[:k].numpy()
    return found


def _round_robin(similarity: Tensor, k: int) -> Rows:
    """Targets take turns; each takes its best candidate that is left."""
    ranking = similarity.argsort(dim=0, descending=True, stable=True)  # (n, m)
    chosen: dict[int, None] = {}
    turn = 0
    while len(chosen) < k:
        best = next(i for i in ranking[:, turn % ranking.shape[1]].tolist() if i not in chosen)
        chosen[best] = None
        turn += 1
    return np.array(list(chosen))


def _as_text(result: Json) -> str:
    """The table in Markdown: share / cost."""
    rows = ["| conditioning | mean cosine: share / cost | round-robin: share / cost |", "|---|---|---|"]
    for line in result["lines"]:
        cells = [
            f"{line[m]['mean_share']:.3f} / {line[m]['mean_cost']:.4f}"
            for m in ("mean_cosine", "round_robin")
        ]
        rows.append(f"| {line['conditioning']} | {cells[0]} | {cells[1]} |")
    for name, nlls in (result["nll_after_training"] or {}).items():
        rows.append(f"NLL after training, {name}: {nlls}, mean {np.mean(nlls):.3f}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
