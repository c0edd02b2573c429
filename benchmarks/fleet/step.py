"""One step of the fleet in a process of its own, so that its memory is its own: prints JSON.

python -m benchmarks.fleet.step first|lists|merge|whole|product ROWS

first    every shard: keys of its rows, and those that name the first prices
lists    the questions from those, and every shard's answers
merge    what the select worker does: it reads answers, never the pool
whole    the same selection in one process over the mapped pool
product  the bare product X Y' of that size
"""

import os

os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.fleet import data
from benchmarks.machine import peak_rss_gb
from evoselect.budget import Budget
from evoselect.capacity import foreseen
from evoselect.features import row_blocks
from evoselect.pools.kept import Kept
from evoselect.pools.left import Questions, from_tensors, leave, to_tensors
from evoselect.pools.pool import Pool
from evoselect.select import select
from evoselect.selection import Selection
from evoselect.spec.selection import SelectionSpec
from evoselect.usable import usable_rows

SAID = ("certified", "converged", "gap", "shortlist_candidates", "shortlist_edges", "shortlist_widenings")


def main() -> None:
    """Do one step and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=list(STEPS))
    parser.add_argument("rows", type=int)
    arguments = parser.parse_args()
    data.features(arguments.rows)
    started = time.perf_counter()
    found = STEPS[arguments.step](arguments.rows)
    took = {"seconds": time.perf_counter() - started, "peak_gb": peak_rss_gb()}
    print(json.dumps(found | took))


def first(rows: int) -> dict[str, object]:
    """Every shard's keys and its part of the sample."""
    return _answered(rows, Questions(), "first")


def lists(rows: int) -> dict[str, object]:
    """Every shard's answers to what the sample foresees."""
    pool = _pool(rows, Questions(), "first")
    wanted = _questions(pool)
    torch.save(wanted, data.FOLDER / f"{rows}.questions")
    return _answered(rows, wanted, "lists")


def merge(rows: int) -> dict[str, object]:
    """The selection from what the shards left."""
    wanted = torch.load(data.FOLDER / f"{rows}.questions", weights_only=False)
    pool = _pool(rows, wanted, "lists")
    found = _selected(pool, rows, "fleet")
    asked = sum(part.store.asked for part in pool.parts if isinstance(part, Kept))
    return found | {"asked_again": asked}


def whole(rows: int) -> dict[str, object]:
    """The selection over the mapped pool."""
    return _selected(data.whole(rows), rows, "whole")


def product(rows: int) -> dict[str, object]:
    """All cosines, a block of rows at a time."""
    pool, turned = data.whole(rows), data.targets().T
    for block in row_blocks(pool):
        pool[block].float() @ turned
    return {}


def _answered(rows: int, questions: Questions, step: str) -> dict[str, object]:
    """What all shards leave, one after the other, and its bytes."""
    sample, total = foreseen.sample(rows, data.M, data.K), 0
    for number in range(data.shards(rows)):
        part = data.shard(rows, number)
        part.check(number * data.SHARD)
        own = sample[sample // data.SHARD == number] - number * data.SHARD
        path = _path(rows, step, number)
        save_file(to_tensors(leave(part, questions, own)), path)
        total += path.stat().st_size
    return {"bytes": total}


def _pool(rows: int, questions: Questions, step: str) -> Pool:
    left = [from_tensors(load_file(_path(rows, step, number))) for number in range(data.shards(rows))]
    again = [partial(data.shard, rows, number) for number in range(data.shards(rows))]
    return Pool.in_shards([Kept.of(one, questions, ask) for one, ask in zip(left, again, strict=True)])


def _questions(pool: Pool) -> Questions:
    budget, masses = Budget.of_rows(pool.size, data.K), np.full(data.M, 1.0 / data.M)
    usable = usable_rows(pool, budget)
    return foreseen.questions(pool.among(usable), data.targets(), masses, budget.among(usable))


def _selected(candidates: torch.Tensor | Pool, rows: int, name: str) -> dict[str, object]:
    found: Selection = select(
        candidates, data.targets(), data.K, SelectionSpec(), seed=0, compare_with_baselines=False
    )
    np.savez(data.FOLDER / f"{rows}.{name}.npz", indices=found.indices, weights=found.weights)
    return {name: found.diagnostics[name] for name in SAID}


def _path(rows: int, step: str, number: int) -> Path:
    return data.FOLDER / f"{rows}.{step}.{number}.safetensors"


STEPS = {"first": first, "lists": lists, "merge": merge, "whole": whole, "product": product}

if __name__ == "__main__":
    main()
