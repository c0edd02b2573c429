"""The main job through the SDK: select, train the same steps on each draw, evaluate, compare by question."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.demo import measures
from benchmarks.demo.data import TARGET_SET, DemoData
from evoselect_cli.output import wait
from evoselect_client.client import Client
from evoselect_client.models import Evaluation, Selection, Training

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
    selections: dict[str, Selection] = {}
    for plan in plans:
        say(f"{plan.name}: selecting {k} of {len(data.pool)} candidates")
        selections[plan.name] = wait(
            client.selections.create(
                target_id=target_id, pool_id=pool_id, k=k, method=plan.method, seed=plan.seed
            )
        )
    trainings = _train(client, selections, steps)
    evaluations = _evaluate(client, trainings, test_id, say)
    rows = {name: _row(selections[name], evaluations[name]) for name in selections}
    spent = measures.seconds(*selections.values(), *trainings.values(), *evaluations.values())
    ours, *others = evaluations
    gains = {name: measures.gain(client, evaluations[name], evaluations[ours]) for name in others}
    return {
        "rows": rows,
        "reports": {name: selection.report() for name, selection in selections.items()},
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


def _train(client: Client, selections: Mapping[str, Selection], steps: int) -> dict[str, Training]:
    """One training on each draw; as many run at once as there are workers."""
    spec = {"max_steps": steps, "learning_rate": LEARNING_RATE}
    return {
        name: client.trainings.create(selection_id=selection.id, spec=spec, seed=TRAINING_SEED)
        for name, selection in selections.items()
    }


def _evaluate(
    client: Client, trainings: dict[str, Training], test_id: str, say: Callable[[str], None]
) -> dict[str, Evaluation]:
    """The test questions on each trained model, asked as soon as its training is done."""
    started: dict[str, Evaluation] = {}
    for name, training in trainings.items():
        say(f"{name}: training")
        trainings[name] = wait(training)
        started[name] = client.evaluations.create(model=trainings[name].model_id, target_id=test_id)
    for name, evaluation in started.items():
        say(f"{name}: evaluating")
        started[name] = wait(evaluation)
    return started


def _row(selection: Selection, evaluation: Evaluation) -> Json:
    items = list(selection.items())
    return {
        **measures.quality(evaluation),
        **measures.transport(selection),
        "draw": measures.composition(items, TARGET_SET),
    }
