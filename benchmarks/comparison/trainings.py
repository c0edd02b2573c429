"""What trainings and evaluations cost on one loaded base, against a base that each of them reads anew.

python -m benchmarks.comparison.trainings [--arms N] [--steps N] [--questions N] [--json]

Same records, seeds and settings, so equal losses (largest_loss_difference) and answers
(largest_nll_difference, in nats). Apart: a training reads the base, an evaluation reads it again. Together:
both take what the process holds. time_ratio is of the clock, cpu_ratio of the process's own seconds, which
say more on a busy machine.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.demo.data import build
from benchmarks.machine import describe
from benchmarks.quality.data import build as sets
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record, parse_record
from workers.evaluations.records import evaluate
from workers.models.loading import LoadedModel, adapted, load
from workers.trainings.lora import train_lora

ROWS = 156  # of the demo's pool

Json = dict[str, Any]


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arms", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.arms, arguments.steps, arguments.questions) | {"machine": describe()}
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if arguments.json else lines)


def measure(arms: int, steps: int, questions: int) -> Json:
    """Both ways, in turns, after a step that is not counted."""
    pool = [parse_record(value) for value in build(seed=0).pool[:ROWS]]
    tests = next(iter(sets("mixed").tasks.values())).test[:questions]
    spec = TrainingSpec(max_steps=steps, learning_rate=1e-3, dtype="float32")
    held = load(DEFAULT_ALIAS, dtype="float32")
    _arm(held, (pool, tests[:4]), spec.model_copy(update={"max_steps": 1}), 0)
    together, apart = [], []
    for seed in range(arms):
        together.append(_arm(held, (pool, tests), spec, seed))
        apart.append(_arm(None, (pool, tests), spec, seed))
    pairs = list(zip(together, apart, strict=True))
    return {
        "time_ratio": _ratio(pairs, "seconds"),
        "cpu_ratio": _ratio(pairs, "cpu_seconds"),
        "largest_loss_difference": max(
            abs(a - b) for one, other in pairs for a, b in zip(one["losses"], other["losses"], strict=True)
        ),
        "largest_nll_difference": max(abs(one["nll"] - other["nll"]) for one, other in pairs),
        "together": [{key: one[key] for key in ("seconds", "cpu_seconds", "parts")} for one in together],
        "apart": [{key: one[key] for key in ("seconds", "cpu_seconds", "parts")} for one in apart],
    }


def _ratio(pairs: list[tuple[Json, Json]], key: str) -> float:
    return float(round(sum(one[key] for one, _ in pairs) / sum(other[key] for _, other in pairs), 3))


def _arm(
    held: LoadedModel | None, data: tuple[list[Record], list[Record]], spec: TrainingSpec, seed: int
) -> Json:
    """One training and its evaluation; the base is read for each where none is held."""
    clock, cpu, parts = time.perf_counter(), time.process_time(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "adapter"
        base = held or load(DEFAULT_ALIAS, dtype="float32")
        parts["base"] = time.perf_counter() - clock
        trained = train_lora(
            data[0], None, base, spec=spec, out_dir=folder, seed=seed, progress=lambda state: None
        )
        parts["train"] = time.perf_counter() - clock - parts["base"]
        worn = adapted(base, folder) if held else load(DEFAULT_ALIAS, folder, dtype="float32")
        parts["adapter"] = time.perf_counter() - clock - parts["base"] - parts["train"]
        found = evaluate(data[1], worn, EvaluationSpec(), progress=lambda done: None).summary()
    seconds = time.perf_counter() - clock
    parts["evaluate"] = seconds - sum(parts.values())
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "parts": {key: round(value, 2) for key, value in parts.items()},
        "steps_seconds": trained.seconds,
        "losses": trained.loss_history,
        "nll": found["answer_nll"],
    }


if __name__ == "__main__":
    main()
