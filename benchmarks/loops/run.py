"""The arms through the SDK: a row a task, seed and arm."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from benchmarks.loops.arms import COLLAPSE, TINY_TARGET, VERIFIED, Setting, request
from benchmarks.loops.tasks import Task
from evoselect.spec.verifier import LEAST_QUALITY
from evoselect_client import Client
from evoselect_client.models import Loop

Json = dict[str, Any]
HOUR = 3600.0


def run(
    client: Client,
    setting: Setting,
    candidates: dict[str, list[Json]],
    *,
    tasks: dict[str, Task],
    judge_url: str | None,
    say: Callable[[str], None],
) -> list[Json]:
    """All arms on the same candidates."""
    rows = []
    for name in setting.tasks:
        task = tasks[name]
        examples = task.examples(setting.target, 0)
        target = client.targets.create(examples).id
        tiny = client.targets.create(task.examples(TINY_TARGET, 0)).id
        test = client.targets.create(task.examples(setting.test, 1, examples)).id
        pool = client.pools.create()
        pool.add(candidates[name])
        for seed in setting.seeds:
            for arm in setting.arms:
                say(f"{name}, seed {seed}: {arm}")
                loop = client.loops.create(
                    target_id=tiny if arm == COLLAPSE else target,
                    evaluation_target_id=test,
                    **request(
                        arm, setting, pool_id=pool.id, seed=seed, judge_url=judge_url, rubric=task.rubric
                    ),
                ).wait(timeout=10 * HOUR)
                own = {"task": name, "seed": seed, "arm": arm}
                if loop.error is None:
                    rows.append(own | _row(client, loop, task, candidates[name]))
                else:  # such as a verifier that leaves too few: the other arms say something all the same
                    say(f"{name}, seed {seed}: {arm} failed: {loop.error.detail}")
                    rows.append(own | {"failed": loop.error.detail})
    return rows


def _row(client: Client, loop: Loop, task: Task, candidates: list[Json]) -> Json:
    result, rounds = loop.output(), list(loop.rounds())
    trained = [
        item.record
        for row in rounds
        for item in client.selections.retrieve(str(row.arms["selected"].selection_id)).items()
    ]
    row: Json = {
        "base": result["base"]["exact_match"],
        "rounds": [
            {
                "number": one.number,
                "exact_match": {name: arm.evaluation["exact_match"] for name, arm in one.arms.items()},
                "warnings": [warning["code"] for warning in one.warnings],
                "health": one.health,
            }
            for one in rounds
        ],
        "wrong_share": _wrong_share(task, trained),
        "trained_examples": result["trained_examples"],
        "overhead_ratio": overhead(client, loop),
    }
    return row | (_checked(client, loop, task, candidates) if loop.name == VERIFIED else {})


def _wrong_share(task: Task, records: list[Json]) -> float:
    return sum(not task.is_right(record) for record in records) / len(records)


def _checked(client: Client, loop: Loop, task: Task, candidates: list[Json]) -> Json:
    """Of the right candidates those that the verifier kept from selection: all are offered in some round."""
    rounds = list(loop.rounds())
    kept = {
        stored.record["prompt"]
        for one in rounds
        for stored in client.pools.records(str(one.pool_id))
        if stored.record["quality"] >= LEAST_QUALITY
    }
    right = [record for record in candidates if task.is_right(record)]
    lost = sum(record["prompt"] not in kept for record in right)
    return {
        "verifier_auc": rounds[0].generated["verifier"]["auc"],
        "right_share_lost": lost / len(right) if right else None,
    }


def overhead(client: Client, loop: Loop) -> float:
    """Seconds of the loop in which none of its steps ran, over those in which one did."""
    spans = _made(loop)
    for one in loop.rounds():
        for arm in one.arms.values():
            for noun, id in (
                (client.selections, arm.selection_id),
                (client.trainings, arm.training_id),
                (client.evaluations, arm.evaluation_id),
            ):
                job = noun.retrieve(str(id))
                spans.append((job.running_at, job.completed_at))
    assert loop.completed_at is not None
    busy = covered([(a.timestamp(), b.timestamp()) for a, b in spans if a and b])
    return ((loop.completed_at - _begun(spans)).total_seconds() - busy) / busy


def _made(loop: Loop) -> list[tuple[datetime | None, datetime | None]]:
    """When rounds drew their candidates and had them checked."""
    at = {(event.type, event.data.get("round")): event.created_at for event in loop.events()}
    return [
        (begun, at.get(("round.generated", number)))
        for (kind, number), begun in at.items()
        if kind == "round.started"
    ]


def _begun(spans: list[tuple[datetime | None, datetime | None]]) -> datetime:
    return min(first for first, _ in spans if first is not None)


def covered(spans: list[tuple[float, float]]) -> float:
    """Seconds that lie in at least one span."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total
