"""The main job through the SDK: select, train the same steps on each draw, evaluate, compare by question."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.demo import measures
from benchmarks.demo.data import TARGET_SET, DemoData
from evoselect_cli.output import wait
from evoselect_client.client import Client
from evoselect_client.models import Evaluation, Selection

K = 96  # 12 % of the pool
RANDOM_SEEDS = (1, 2)
STEPS = 20  # of 8 examples: a little less than two epochs of what is drawn
LEARNING_RATE = 1e-3
TRAINING_SEED = 0
BASE_MODEL = "smollm2-135m-instruct"

Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One draw of the comparison."""

    name: str
    method: str
    seed: int


PLANS = (
    Plan("EvoSelect", "capacity", 0),
    *(Plan(f"random {number}", "random", seed) for number, seed in enumerate(RANDOM_SEEDS, 1)),
)


def run(
    client: Client,
    data: DemoData,
    say: Callable[[str], None],
    *,
    plans: Sequence[Plan] = PLANS,
    steps: int = STEPS,
    k: int = K,
) -> Json:
    """Do all of it; returns the numbers, every one of them measured here."""
    started = time.monotonic()
    target_id, test_id, pool_id = _upload(client, data, say)
    rows: dict[str, Json] = {}
    spent: dict[str, float] = {}
    reports: dict[str, str] = {}
    evaluations: dict[str, Evaluation] = {}
    for plan in plans:
        say(f"{plan.name}: selecting {k} of {len(data.pool)} candidates")
        selection = wait(
            client.selections.create(
                target_id=target_id, pool_id=pool_id, k=k, method=plan.method, seed=plan.seed
            )
        )
        reports[plan.name] = selection.report()
        say(f"{plan.name}: training {steps} steps")
        training = wait(
            client.trainings.create(
                selection_id=selection.id,
                spec={"max_steps": steps, "learning_rate": LEARNING_RATE},
                seed=TRAINING_SEED,
            )
        )
        say(f"{plan.name}: evaluating")
        evaluation = _evaluate(client, training.model_id, test_id)
        evaluations[plan.name] = evaluation
        rows[plan.name] = _row(selection, evaluation)
        for name, seconds in measures.seconds(selection, training, evaluation).items():
            spent[name] = spent.get(name, 0.0) + seconds
    ours, *others = evaluations
    gains = {name: measures.gain(client, evaluations[name], evaluations[ours]) for name in others}
    return {
        "rows": rows,
        "reports": reports,
        "gains": gains,
        "seconds_per_phase": {name: round(value, 1) for name, value in spent.items()},
        "seconds": round(time.monotonic() - started, 1),
        "data": data.composition,
        "plan": {
            "k": k,
            "learning_rate": LEARNING_RATE,
            "steps": steps,
            "training_seed": TRAINING_SEED,
            "base_model": BASE_MODEL,
        },
    }


def _upload(client: Client, data: DemoData, say: Callable[[str], None]) -> tuple[str, str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in data.pool), encoding="utf-8")
        pool = client.pools.create(name="demo candidates")
        counts = pool.add(path).counts
    target = client.targets.create(data.target, name="demo target")
    test = client.targets.create(data.test, name="demo test")
    say(f"Uploaded {counts.accepted} candidates, {target.count} target examples, {test.count} test questions")
    return target.id, test.id, pool.id


def _evaluate(client: Client, model: str, test_id: str) -> Evaluation:
    return wait(client.evaluations.create(model=model, target_id=test_id))


def _row(selection: Selection, evaluation: Evaluation) -> Json:
    items = list(selection.items())
    return {
        **measures.quality(evaluation),
        **measures.transport(selection),
        "draw": measures.composition(items, TARGET_SET),
    }
