"""One run: draw, train, answer; a JSON row for every task that the trained model is judged by."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality.methods import METHODS, draw
from benchmarks.quality.training import STEPS, Answered, answer, train
from benchmarks.quality.world import World

BASE = "base"

Json = dict[str, Any]
Key = tuple[str, str, int, int]  # task, method, k, seed


@dataclass(frozen=True)
class Run:
    """One training, and the tasks whose questions it answers."""

    method: str
    k: int
    seed: int
    tasks: tuple[str, ...]

    def keys(self) -> set[Key]:
        """What its rows are known by."""
        return {(task, self.method, self.k, self.seed) for task in self.tasks}


def key(row: Json) -> Key:
    """Of a stored row."""
    return row["task"], row["method"], row["k"], row["seed"]


def execute(run: Run, world: World) -> list[Json]:
    """The rows of a run."""
    start = time.perf_counter()
    chosen = None if run.method == BASE else chosen_rows(run, world)
    model = world.top if chosen is None else _trained(chosen, world, run.seed)
    trained = time.perf_counter()
    found = []
    for task in run.tasks:
        row: Json = {"task": task, "method": run.method, "k": run.k, "seed": run.seed}
        row |= _scores(answer(model, world.test(task)))
        if chosen is not None:
            row |= make_up(chosen, world, task)
        found.append(row)
    seconds = {"train": round(trained - start, 1), "answer": round(time.perf_counter() - trained, 1)}
    return [row | {"seconds": seconds} for row in found]


def _trained(chosen: list[int], world: World, seed: int) -> Any:
    return train(world.top, world.examples, chosen, STEPS, seed).get_base_model().eval()


def chosen_rows(run: Run, world: World) -> list[int]:
    """Rows of the pool."""
    found: list[int] = draw(METHODS[run.method], world, run.tasks[0], run.k, run.seed).tolist()
    return found


def _scores(found: Answered) -> Json:
    """Means, and what every question got, for paired comparisons."""
    return {
        "choice_cross_entropy": round(float(np.mean(found.choice_cross_entropy)), 5),
        "nll": round(float(np.mean(found.nll)), 5),
        "accuracy": round(float(np.mean(found.correct)), 5),
        "questions": {
            "choice_cross_entropy": [round(value, 3) for value in found.choice_cross_entropy],
            "nll": [round(value, 2) for value in found.nll],
            "correct": "".join(str(int(value)) for value in found.correct),
        },
    }


def make_up(chosen: Sequence[int], world: World, task: str) -> Json:
    """What was drawn: shares in [0, 1] by the injected marks, and mean lengths in tokens."""
    records = [world.data.pool[i] for i in chosen]
    marks = [record.metadata or {} for record in records]
    seen: Counter[str] = Counter(
        str(mark.get("duplicate_of", record.id)) for mark, record in zip(marks, records, strict=True)
    )
    examples = [world.examples.rows[i] for i in chosen]
    return {
        "own": round(float(np.mean([mark["source"] == task for mark in marks])), 4),
        "wrong": round(float(np.mean([mark["kind"] == "wrong_answer" for mark in marks])), 4),
        "copies": round(sum(count - 1 for count in seen.values()) / len(records), 4),
        "answer_tokens": round(float(np.mean([len(row.labels) for row in examples])), 2),
        "tokens": round(float(np.mean([len(row.ids) for row in examples])), 2),
    }


def missing(plan: Sequence[Run], rows: Callable[[], Sequence[Json]]) -> Iterator[Run]:
    """The runs of the plan that the rows do not have, in order.

    The rows are read again for each run: several processes may share a plan and its file.
    """
    return (run for run in plan if not run.keys() <= {key(row) for row in rows()})
