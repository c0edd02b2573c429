"""One run: draw, train, answer; a JSON row for every task that the trained model is judged by."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality.loops import rounds
from benchmarks.quality.methods import METHODS, draw
from benchmarks.quality.names import BASE, LOOPS, PARTS
from benchmarks.quality.training import STEPS, Answered, answer, train
from benchmarks.quality.world import World

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
        names = [self.method + part for part in PARTS] if self.method in LOOPS else [self.method]
        return {(task, name, self.k, self.seed) for task in self.tasks for name in names}


def key(row: Json) -> Key:
    """Of a stored row."""
    return row["task"], row["method"], row["k"], row["seed"]


def execute(run: Run, world: World) -> list[Json]:
    """The rows of a run."""
    found: list[Json] = []
    start = time.perf_counter()
    for name, chosen, model in _models(run, world):
        trained = time.perf_counter()
        rows = [_row(name, run, task, chosen, model, world) for task in run.tasks]
        ended = time.perf_counter()
        seconds = {"train": round(trained - start, 1), "answer": round(ended - trained, 1)}
        found += [row | {"seconds": seconds} for row in rows]
        start = ended
    return found


def _models(run: Run, world: World) -> Iterator[tuple[str, list[int], Any]]:
    """Of each model that is judged: its name in the rows, the rows of the pool it saw, the model."""
    if run.method == BASE:
        yield BASE, [], world.top
        return
    if run.method in LOOPS:
        for name, seen, model in rounds(run.method, run.k, run.seed, run.tasks[0], world):
            yield name, seen, model.get_base_model().eval()
        return
    chosen = draw(METHODS[run.method], world, run.tasks[0], run.k, run.seed).tolist()
    model = train(world.top, world.examples, chosen, STEPS, run.seed)
    yield run.method, chosen, model.get_base_model().eval()


def _row(name: str, run: Run, task: str, chosen: Sequence[int], model: Any, world: World) -> Json:
    row: Json = {"task": task, "method": name, "k": run.k, "seed": run.seed}
    row |= _scores(answer(model, world.test(task)))
    return row | make_up(chosen, world, task) if chosen else row


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
