"""One comparison of the service for each task, and its trainings as rows that the summary reads."""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks.quality.comparisons.setting import Setting
from benchmarks.quality.data import DEVELOPMENT, REPORTING, Data, Task
from benchmarks.quality.runs import Drawn, make_up, scores
from evoselect_cli.compare_methods import Told, foretold
from evoselect_cli.output import err, with_progress
from evoselect_client import Client
from evoselect_client.resources.comparisons import ComparedArm, MethodComparison

TRAINER = "service"
IDS = {"selection_ids", "training_ids", "model_ids", "evaluation_ids"}  # of a service that is gone
LEAST_DRAWS = 3
SEEDS_APART = 100  # between tasks, so that each has random draws and trainings of its own

Json = dict[str, Any]


def upload(client: Client, data: Data, setting: Setting) -> str:
    """The id of the pool that all tasks share."""
    pool = client.pools.create(name="quality")
    pool.add(setting.rows(data.pool, setting.candidates))
    return pool.id


def run(client: Client, task: Task, pool_id: str, setting: Setting, *, seeds: int) -> Json:
    """What a comparison came to: its verdict and arms as the service tells them, and a row a training."""
    started = time.monotonic()
    options: Json = {
        "target_id": client.targets.create(setting.rows(task.target, setting.targets)).id,
        "evaluation_target_id": client.targets.create(setting.rows(task.test, setting.tests)).id,
        "pool_id": pool_id,
        "k": setting.k,
        "arms": list(setting.arms),
        "seeds": seeds,
        "draws": max(seeds, LEAST_DRAWS),
        "training": setting.training,
        "seed": SEEDS_APART * (*DEVELOPMENT, *REPORTING).index(task.name),
        "name": task.name,
    }
    planned = client.comparisons.estimate(**options)
    err.print("\n".join([task.name, *foretold(planned)]), markup=False)
    done = with_progress(client.comparisons.create(**options), Told(planned["trainings"]))
    return {
        "task": task.name,
        "k": setting.k,
        "verdict": done.output()["verdict"],
        "arms": [arm.model_dump(mode="json", exclude=IDS) for arm in done.arms],
        "request": {name: done.request["spec"][name] for name in ("seeds", "draws", "seed", "training")},
        "planned": {name: planned[name] for name in ("minutes", "basis", "workers", "detectable_gain")},
        "seconds": round(time.monotonic() - started, 1),
        "rows": list(_rows(client, task, done)),
    }


def _rows(client: Client, task: Task, done: MethodComparison) -> Iterator[Json]:
    """Of each arm that was trained; one that selected the rows of another has none of its own."""
    for arm in done.arms:
        if arm.same_as is None:
            drawn = [_make_up(client, id, task.name) for id in arm.selection_ids]
            for number, id in enumerate(arm.evaluation_ids):
                yield {
                    "task": task.name,
                    "method": arm.name,
                    "k": done.request["spec"]["k"],
                    "seed": number,
                    "trainer": TRAINER,
                    **_scores(client, id, arm, task),
                    **drawn[min(number, len(drawn) - 1)],
                }


def _scores(client: Client, evaluation_id: str, arm: ComparedArm, task: Task) -> Json:
    """Raises RuntimeError where a question has no numbers, or is not where it was."""
    found = list(client.evaluations.scores(evaluation_id))
    asked = [record.id for record in task.test[: len(found)]]
    if [row.id for row in found] != asked or any(row.status != "ok" for row in found):
        raise RuntimeError(f"{arm.name}, {evaluation_id}: not every question of {task.name} has its numbers")
    return scores(found)


def _make_up(client: Client, selection_id: str, task: str) -> Json:
    items = client.selections.items(selection_id)
    return make_up([Drawn(item.id, item.record["metadata"], item.tokens or 0) for item in items], task)
