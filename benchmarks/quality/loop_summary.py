"""What the stored rows say of loops of two rounds: whether the second helps, one-shot selection at the same
budget, and consume-once on against off.

Differences are paired by question, negative is better. Rounds of one loop share their first training, which
the intervals take for independent: they are too wide rather than too narrow.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.quality.names import AGAIN, EARLIER, FIRST, LOOPS, OUR_ARM, RANDOM_ARM, SECOND

Json = dict[str, Any]
Compare = Callable[[str, str], tuple[dict[str, Json], Json | None]]
"""Of two methods: their difference on each task that has both, and over those tasks."""


def pairs() -> dict[str, tuple[str, str]]:
    """The comparisons by name: the first method against the second."""
    found = {}
    for arm, one_shot in LOOPS.items():
        found[f"{arm}: second round against first"] = (arm + SECOND, arm + FIRST)
        found[f"{arm}: two rounds against one shot of {one_shot}"] = (arm + SECOND, one_shot)
        found[f"{arm}: consume-once against the whole pool again"] = (arm + SECOND, arm + AGAIN)
        if arm != RANDOM_ARM:
            found[f"{arm}: against the random arm"] = (arm + SECOND, RANDOM_ARM + SECOND)
    found[f"{OUR_ARM}: two rounds against one shot of {EARLIER}"] = (OUR_ARM + SECOND, EARLIER)
    return found


def of_loops(compare: Compare) -> Json:
    """Every comparison that has rows, by name, and the tasks on which our arm's second round is better."""
    found: Json = {}
    for name, (first, second) in pairs().items():
        tasks, over_all = compare(first, second)
        if tasks:
            found[name] = {"tasks": tasks, "all": over_all}
    rounds = found.get(f"{OUR_ARM}: second round against first", {"tasks": {}})["tasks"]
    return {
        "loop_rounds_improving_tasks": [task for task, d in rounds.items() if d["difference"] < 0],
        "loop_rounds_improving_tasks_separably": [task for task, d in rounds.items() if below(d)],
        "loops": found,
    }


def below(difference: Json) -> bool:
    """Whether the interval lies below 0; not where no seeds tell."""
    return difference["high"] is not None and difference["high"] < 0


def finite(value: float) -> float | None:
    """The number as JSON has it."""
    return round(value, 4) if math.isfinite(value) else None


def table(loops: Json, shown: Callable[[Json], str], tasks: Sequence[str]) -> list[str]:
    """A row a comparison, a column a task."""
    lines = [f"| comparison | {' | '.join(tasks)} | all |", "|" + "---|" * (len(tasks) + 2)]
    for name, found in loops.items():
        cells = [shown(found["tasks"][task]) if task in found["tasks"] else "" for task in tasks]
        lines.append(f"| {name} | {' | '.join(cells)} | {shown(found['all'])} |")
    return lines
