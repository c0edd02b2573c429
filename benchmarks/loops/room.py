"""Whether a task can show anything: exact match of the base model, after own right rows, after random ones.

    python -m benchmarks.loops.room [--rows 96] [--tests 100] [--tasks a,b]

A row a task. The rows are made by the task itself; random ones come from all tasks alike. One training each,
by the functions and settings of the arms. A task has room where its own rows are ahead of random ones by more
than two standard errors of the paired difference.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.loops.arms import TRAINING
from benchmarks.loops.tasks import TASKS, Json
from benchmarks.machine import describe
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import parse_record
from workers.evaluations.records import evaluate, numbers
from workers.models.loading import LoadedModel, adapted, load
from workers.trainings.lora import train_lora


def main() -> None:
    """Print a JSON row a task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=96, help="rows trained on")
    parser.add_argument("--tests", type=int, default=100, help="test questions")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names, with commas between them")
    arguments = parser.parse_args()
    loaded = load(DEFAULT_ALIAS, dtype="float32")
    mixed = [row for task in TASKS.values() for row in task.examples(arguments.rows, 2)]
    at_random = _trained(loaded, random.Random(0).sample(mixed, arguments.rows))
    for name in arguments.tasks.split(","):
        tests = TASKS[name].examples(arguments.tests, 1)
        own = TASKS[name].examples(arguments.rows, 2, tests)
        models = {"base": loaded, "own": _trained(loaded, own), "random": at_random}
        found = {arm: _matches(model, tests) for arm, model in models.items()}
        print(json.dumps({"task": name, **told(found), "machine": describe()}), flush=True)


def told(found: dict[str, list[float]]) -> Json:
    """Shares of right answers, and the room: own rows against random ones on the same questions."""
    apart = np.array(found["own"]) - np.array(found["random"])
    shares = {arm: round(float(np.mean(values)), 3) for arm, values in found.items()}
    error = float(apart.std(ddof=1) / len(apart) ** 0.5)
    return shares | {"room": round(float(apart.mean()), 3), "error": round(error, 3)}


def _trained(loaded: LoadedModel, rows: Sequence[Json]) -> LoadedModel:
    with tempfile.TemporaryDirectory(prefix="evoselect-room-") as folder:
        out = Path(folder) / "adapter"
        spec = TrainingSpec(**TRAINING)
        records = [parse_record(row) for row in rows]
        train_lora(records, None, loaded, spec=spec, out_dir=out, seed=0, progress=lambda step: None)
        return adapted(loaded, out)


def _matches(loaded: LoadedModel, rows: Sequence[Json]) -> list[float]:
    spec = EvaluationSpec(generate=True)
    found = evaluate([parse_record(row) for row in rows], loaded, spec, progress=lambda done: None)
    return numbers(found.rows, "exact_match")


if __name__ == "__main__":
    main()
