"""Near-copies that the demo injects, found again; budgets in tokens, met; what the search costs.

python -m benchmarks.near_copies [--rows N] [--json]

near_copy_recall, near_copy_precision: of the pairs (copy, original) of the demo's pools, the least of SEEDS.
token_budget_error: the largest share of a budget that a method left unspent, with the bound's gap of method
capacity beside it. With --rows: seconds and growth of memory for so many texts of 30 words, 15 % near-copies.
"""

import argparse
import json
import random
import resource
import time
from typing import Any

import numpy as np

from benchmarks.demo.data import build
from benchmarks.instances import synthetic
from benchmarks.machine import describe
from evoselect.budget import Budget
from evoselect.copies.find import Search
from evoselect.select import select
from evoselect.spec.copies import THRESHOLD
from evoselect.spec.selection import SelectionSpec
from store.records.record import parse_record, plain_text

SEEDS = range(5)
BUDGETS = (20_000, 200_000)  # tokens
METHODS = ("capacity", "random", "mean_cosine", "less", "round_robin")
LONGEST = 400  # tokens of a row
WORDS, LEXICON = 30, 50_000
COPIED, CHANGED = 0.15, 0.05  # share of the rows, and of the words of a copy

Json = dict[str, Any]


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, help="texts to measure the cost on")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = numbers() | ({} if arguments.rows is None else cost(arguments.rows)) | {"machine": describe()}
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if arguments.json else lines)


def numbers() -> Json:
    """Recall and precision of the search, and how well budgets in tokens are met."""
    found = [_injected(seed) for seed in SEEDS]
    return {
        "near_copy_recall": round(min(recall for recall, _ in found), 4),
        "near_copy_precision": round(min(precision for _, precision in found), 4),
        **_budgets(),
    }


def cost(rows: int) -> Json:
    """Of so many rows against each other and against a set of 1,000."""
    rng = random.Random(0)
    texts = [" ".join(f"w{rng.randrange(LEXICON)}" for _ in range(WORDS)) for _ in range(rows)]
    for row in range(rows - int(COPIED * rows), rows):
        own = texts[row - rows // 2].split()
        texts[row] = " ".join(f"w{rng.randrange(LEXICON)}" if rng.random() < CHANGED else w for w in own)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    clusters, _ = Search.of(texts, lambda: None).find([texts[:1_000]], THRESHOLD)
    seconds = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    return {
        "rows": rows,
        "clusters": len(clusters),
        "seconds_per_million_rows": round(seconds / rows * 1e6),
        "bytes_per_row": round(grown * 1024 / rows),
    }


def _injected(seed: int) -> tuple[float, float]:
    """Recall and precision of the pairs within the clusters of the demo's pool."""
    records = [parse_record(row) for row in build(seed).pool]
    clusters, _ = Search.of([plain_text(record) for record in records], lambda: None).find([], THRESHOLD)
    marks = {record.id: (record.metadata or {}).get("duplicate_of") for record in records}
    true = {frozenset((copy, original)) for copy, original in marks.items() if original is not None}
    named = [[records[row].id for row in members.tolist()] for members in clusters]
    found = {frozenset((a, b)) for ids in named for a in ids for b in ids if a < b}
    return len(true & found) / len(true), len(true & found) / max(1, len(found))


def _budgets() -> Json:
    case = synthetic(20_000, 200, 64, seed=0)
    tokens = np.random.default_rng(0).integers(20, LONGEST, len(case.candidates))
    unspent, gaps = [], []
    for total in BUDGETS:
        for method in METHODS:
            spec = SelectionSpec.model_validate({"method": method, "lambda": 0.0})
            budget = Budget.of_tokens(tokens, total)
            found = select(case.candidates, case.targets, budget, spec, seed=0, compare_with_baselines=False)
            unspent.append(1.0 - budget.spent(found.indices) / total)
            gaps += [found.diagnostics["gap"]] if method == "capacity" else []
    return {
        "token_budget_error": round(max(unspent), 5),
        "token_budget_gaps": dict(zip(BUDGETS, gaps, strict=True)),
    }


if __name__ == "__main__":
    main()
