"""One run: draw, train, answer; a JSON row for every task that the trained model is judged by."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import describe
from benchmarks.quality.methods import draw
from benchmarks.quality.names import BASE
from benchmarks.quality.training import TRAINER, answer, train
from benchmarks.quality.world import World
from evoselect_client.models import Score
from workers.evaluations.records import RecordScore

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
    chosen: list[int] = []
    model = world.loaded
    if run.method != BASE:
        chosen = draw(run.method, world, run.tasks[0], run.k, run.seed)
        model, _ = train(world.loaded, [world.data.pool[i] for i in chosen], run.seed)
    trained = time.perf_counter()
    tests = {task: world.data.tasks[task].test for task in run.tasks}
    rows = [_row(run, task, chosen, scores(answer(model, asked)), world) for task, asked in tests.items()]
    spent = {"train": round(trained - start, 1), "answer": round(time.perf_counter() - trained, 1)}
    made = {"seconds": spent, "machine": describe()}
    return [row | made for row in rows]


def _row(run: Run, task: str, chosen: Sequence[int], found: Json, world: World) -> Json:
    row: Json = {"task": task, "method": run.method, "k": run.k, "seed": run.seed, "trainer": TRAINER} | found
    if not chosen:
        return row
    records = [(world.data.pool[i], world.tokens[i]) for i in chosen]
    return row | make_up([Drawn(record.id, record.metadata or {}, int(n)) for record, n in records], task)


def scores(found: Sequence[RecordScore] | Sequence[Score]) -> Json:
    """Means, and what every question got, for paired comparisons; all in nats but the right answers."""
    correct = [row.predicted == row.answer for row in found]
    crosses, nlls = ([getattr(row, name) for row in found] for name in ("choice_cross_entropy", "answer_nll"))
    return {
        "accuracy": round(float(np.mean(correct)), 5),
        "choice_cross_entropy": round(float(np.mean(crosses)), 5),
        "nll": round(float(np.mean(nlls)), 5),
        "questions": {
            "choice_cross_entropy": [round(value, 3) for value in crosses],
            "nll": [round(value, 2) for value in nlls],
            "correct": "".join(str(int(value)) for value in correct),
        },
    }


class Drawn(NamedTuple):
    """A row that was drawn: its id, what was done to it, and its tokens."""

    id: str
    mark: Json
    tokens: int


def make_up(drawn: Sequence[Drawn], task: str) -> Json:
    """What was drawn: shares in [0, 1] by the injected marks, and mean tokens."""
    seen = Counter(str(row.mark.get("duplicate_of", row.id)) for row in drawn)
    return {
        "own": round(float(np.mean([row.mark["source"] == task for row in drawn])), 4),
        "wrong": round(float(np.mean([row.mark["kind"] == "wrong_answer" for row in drawn])), 4),
        "copies": round(sum(count - 1 for count in seen.values()) / len(drawn), 4),
        "tokens": round(float(np.mean([row.tokens for row in drawn])), 2),
    }


def missing(plan: Sequence[Run], rows: Callable[[], Sequence[Json]]) -> Iterator[Run]:
    """The runs of the plan that the rows do not have, in order.

    The rows are read again for each run: several processes may share a plan and its file.
    """
    return (run for run in plan if not run.keys() <= {key(row) for row in rows()})
