"""What each method would draw, without any training: the cheap look before the dear one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality.methods import METHODS, draw
from benchmarks.quality.names import OURS
from benchmarks.quality.runs import make_up
from benchmarks.quality.world import World

Json = dict[str, Any]


def screen(world: World, methods: Sequence[str], k: int) -> dict[str, Json]:
    """Shares and lengths of the draws, by method: the mean over tasks, and each task's own share.

    ``as_capacity`` is the share of a draw that method capacity draws too: what two methods have in common
    cannot tell them apart.
    """
    ours = {task: set(_drawn(OURS, world, task, k)) for task in world.data.tasks}
    found = {}
    for name in methods:
        rows = {}
        for task in world.data.tasks:
            chosen = _drawn(name, world, task, k)
            rows[task] = make_up(chosen, world, task) | {"as_capacity": len(ours[task] & set(chosen)) / k}
        means = {key: round(float(np.mean([row[key] for row in rows.values()])), 3) for key in ROW}
        found[name] = {**means, "own_by_task": {task: row["own"] for task, row in rows.items()}}
    return found


def _drawn(method: str, world: World, task: str, k: int) -> list[int]:
    rows: list[int] = draw(METHODS[method], world, task, k, seed=0).tolist()
    return rows


ROW = ("own", "wrong", "copies", "answer_tokens", "tokens", "as_capacity")


def as_text(found: dict[str, Json]) -> str:
    """In Markdown."""
    tasks = list(next(iter(found.values()))["own_by_task"])
    lines = [f"| method | {' | '.join([*ROW, *tasks])} |", "|" + "---|" * (1 + len(ROW) + len(tasks))]
    for name, row in found.items():
        values = [row[key] for key in ROW] + list(row["own_by_task"].values())
        lines.append(f"| {name} | " + " | ".join(str(value) for value in values) + " |")
    return "\n".join(lines)
