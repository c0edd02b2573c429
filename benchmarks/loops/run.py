"""The arms through the SDK: a row a task, seed and arm."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.loops.arms import COLLAPSE, TINY_TARGET, VERIFIED, Setting, request
from benchmarks.loops.spans import overhead
from benchmarks.loops.tasks import Task
from evoselect.spec.verifier import LEAST_QUALITY
from evoselect_client import Client
from evoselect_client.models import Loop

Json = dict[str, Any]
LOOK_SECONDS = 2.0  # between two looks whether a loop waits for candidates


@dataclass(frozen=True)
class Given:
    """What all arms work on."""

    pool: Sequence[Json]
    """Candidates, each content once."""
    collapsing: Mapping[str, Sequence[Sequence[Json]]]
    """By task, each round's candidates of the generator that repeats itself."""
    url: str
    """Endpoint of the generator, which verifies as well."""


def plan(setting: Setting) -> list[tuple[str, int, str]]:
    """(task, seed, arm): what tells most comes first, so that a part of it says something."""
    together = [(seed, arm) for seed in setting.seeds for arm in setting.arms]
    alone = [(seed, arm) for arm in setting.later for seed in setting.seeds]
    return [
        (task, seed, arm)
        for seed, arm in [*together, *alone]
        for task in setting.tasks
        if arm != COLLAPSE or (task in setting.repeated and seed == setting.seeds[0])
    ]


def key(row: Json) -> tuple[str, int, str]:
    """Of a stored row."""
    return row["task"], row["seed"], row["arm"]


def run(
    client: Client,
    setting: Setting,
    given: Given,
    *,
    tasks: Mapping[str, Task],
    done: Sequence[Json],
    ended: Callable[[Json], None],
) -> None:
    """The arms of the plan that are not done; `ended` is given the row of each as soon as it is there."""
    have = set(map(key, done))
    world = _World(client, setting, given, tasks)
    for task, seed, arm in plan(setting):
        if (task, seed, arm) not in have:
            ended({"task": task, "seed": seed, "arm": arm} | world.row(task, seed, arm))


class _World:
    """Targets by task, and one pool for all."""

    def __init__(self, client: Client, setting: Setting, given: Given, tasks: Mapping[str, Task]) -> None:
        self._client, self._setting, self._given, self._tasks = client, setting, given, tasks
        pool = client.pools.create()
        pool.add(list(given.pool))
        self._pool = {"id": pool.id, "rows": len(given.pool)}
        self._targets = {name: self._of(tasks[name]) for name in setting.tasks}

    def _of(self, task: Task) -> dict[str, str]:
        setting, create = self._setting, self._client.targets.create
        target = task.examples(setting.target, 0)
        test = task.examples(setting.test, 1, [*target, *self._given.pool])
        found = {"target": target, "tiny": target[:TINY_TARGET], "test": test}
        return {name: create(rows).id for name, rows in found.items()}

    def row(self, name: str, seed: int, arm: str) -> Json:
        """Run a loop to its end; one that failed is a row as well, for the other arms say something still."""
        target, given = self._targets[name], self._given
        loop = self._client.loops.create(
            target_id=target["tiny" if arm == COLLAPSE else "target"],
            evaluation_target_id=target["test"],
            **request(arm, self._setting, pool=self._pool, seed=seed, url=given.url),
        )
        for number, rows in enumerate(given.collapsing[name] if arm == COLLAPSE else (), 1):
            if _waits(loop, number):
                loop.push(number, list(rows))
        while not loop.done:  # `wait` would raise where it failed
            loop = loop.poll(LOOK_SECONDS)
        if loop.error is not None:
            return {"failed": loop.error.detail}
        return told(self._client, loop, self._tasks[name], list(given.pool))


def _waits(loop: Loop, number: int) -> bool:
    """Once the round waits for candidates; whether it ever does."""
    while True:
        loop = loop.refresh()
        if loop.done:
            return False
        if any(one.number == number and one.state == "waiting" for one in loop.rounds()):
            return True
        time.sleep(LOOK_SECONDS)


def told(client: Client, loop: Loop, task: Task, candidates: Sequence[Json]) -> Json:
    """What is kept of a loop that has ended."""
    result = loop.output()
    # A round that had too few candidates ends the loop, and has trained nothing.
    rounds = [one for one in loop.rounds() if one.arms.get("selected") and one.arms["selected"].selection_id]
    trained = [
        item.record
        for row in rounds
        for item in client.selections.retrieve(str(row.arms["selected"].selection_id)).items()
    ]
    row: Json = {
        "stop_reason": result["stop_reason"],
        "base": result["base"]["exact_match"],
        "base_nll": result["base"]["answer_nll"],
        "rounds": [
            {
                "number": one.number,
                "exact_match": {name: arm.evaluation["exact_match"] for name, arm in one.arms.items()},
                "nll": {name: arm.evaluation["answer_nll"] for name, arm in one.arms.items()},
                "warnings": [warning["code"] for warning in one.warnings],
                "health": one.health,
            }
            for one in rounds
        ],
        **_made_up(task, trained),
        "trained_examples": result["trained_examples"],
        **overhead(client, loop),
    }
    return row | (_checked(client, loop, task, candidates) if loop.name == VERIFIED else {})


def _made_up(task: Task, trained: Sequence[Json]) -> Json:
    """Of the rows that the selected arm trains on, anchors apart."""
    own = [record for record in trained if task.solve(record["prompt"]) is not None]
    wrong = sum(not task.is_right(record) for record in own)
    return {
        "selected": len(trained),
        "of_the_task": len(own),
        "wrong": wrong,
        "wrong_share": wrong / len(own) if own else None,
    }


def _checked(client: Client, loop: Loop, task: Task, candidates: Sequence[Json]) -> Json:
    """Of the candidates of the task those that the verifier kept: all are offered in some round."""
    rounds = list(loop.rounds())
    kept = {
        (stored.record["prompt"], stored.record["completion"])
        for one in rounds
        for stored in client.pools.records(str(one.pool_id))
        if stored.record["quality"] >= LEAST_QUALITY
    }
    own = [record for record in candidates if task.solve(record["prompt"]) is not None]
    return {
        "verifier_auc": rounds[0].generated["verifier"]["auc"],
        **filtered(
            [task.is_right(record) for record in own],
            [(record["prompt"], record["completion"]) in kept for record in own],
        ),
    }


def filtered(right: Sequence[bool], kept: Sequence[bool]) -> Json:
    """Of a task's candidates: shares of wrong ones before and after a verifier, and of right ones lost."""
    after = [is_right for is_right, stays in zip(right, kept, strict=True) if stays]
    return {
        "wrong_share_before": 1 - sum(right) / len(right) if right else None,
        "wrong_share_after": 1 - sum(after) / len(after) if after else None,
        "right_share_lost": 1 - sum(after) / sum(right) if sum(right) else None,
    }
