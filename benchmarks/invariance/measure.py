"""What a selection drew, against what the same rows would have given in the targets' own rendering."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from benchmarks.invariance.data import RENDERINGS, Data, Family
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec

Ints = npt.NDArray[np.int64]
Conditioned = Callable[[list[int], str, Family | None], tuple[Tensor, Tensor]]
"""Unit rows of candidates (by number) and of a task's targets; without a family all are canonical."""


@dataclass(frozen=True)
class Pool:
    """Some of the candidates, in the renderings of a family."""

    name: str
    family: Family
    without: str
    """What is left out of it: nothing, the task's own rows in the targets' rendering, or all rows in it."""

    def rows(self, data: Data, task: str) -> list[int]:
        """The candidates that stand in it."""
        left = {"nothing": set[str](), "own": {task}, "all": set(data.source)}[self.without]
        written = data.rendering[self.family]
        return [row for row in range(len(written)) if written[row] != 0 or data.source[row] not in left]


POOLS = (
    Pool("surface", "surface", "nothing"),
    Pool("surface, own elsewhere", "surface", "own"),
    Pool("surface, targets' absent", "surface", "all"),
    Pool("variants", "variants", "nothing"),
    Pool("variants, own elsewhere", "variants", "own"),
)
JUDGED = "surface, own elsewhere"


@dataclass(frozen=True)
class Draw:
    """What one selection drew for one task."""

    own: float
    ceiling: float
    """The own share of what is drawn where every candidate is rendered as the targets are."""
    off: npt.NDArray[np.float64]
    """By rendering: its share among the drawn, less what it would be by the sets alone."""
    wrong: float
    """Share of wrong answers over their share in the pool."""
    copies: float
    """Share of near-copies whose original is drawn too."""


class Judge:
    """Draws k candidates by the service's default method, from pools and from their canonical form."""

    def __init__(self, data: Data, k: int, conditioned: Conditioned) -> None:
        self._data, self._k, self._conditioned = data, k, conditioned
        self._ceilings: dict[tuple[str, tuple[int, ...]], float] = {}
        self._wrong = np.array([kind == "wrong_answer" for kind in data.kind])

    def draw(self, pool: Pool, task: str) -> Draw:
        """What is drawn for a task from a pool."""
        data, rows = self._data, pool.rows(self._data, task)
        chosen = self._drawn(rows, task, pool.family)
        drawn = set(chosen.tolist())
        return Draw(
            own=_own(data, chosen, task),
            ceiling=self._ceiling(rows, task),
            off=_off(data, pool, rows, chosen),
            wrong=float(self._wrong[chosen].mean() / self._wrong[rows].mean()),
            copies=float(np.mean([data.copy_of[row] in drawn for row in chosen])),
        )

    def _ceiling(self, rows: list[int], task: str) -> float:
        """Pools of the same candidates have the same."""
        key = task, tuple(rows)
        if key not in self._ceilings:
            self._ceilings[key] = _own(self._data, self._drawn(rows, task, None), task)
        return self._ceilings[key]

    def _drawn(self, rows: list[int], task: str, family: Family | None) -> Ints:
        candidates, targets = self._conditioned(rows, task, family)
        found = select(candidates, targets, self._k, SelectionSpec(), seed=0, compare_with_baselines=False)
        return np.array(rows)[found.indices]


def _own(data: Data, chosen: Ints, task: str) -> float:
    return float(np.mean([data.source[row] == task for row in chosen]))


def _off(data: Data, pool: Pool, rows: list[int], chosen: Ints) -> npt.NDArray[np.float64]:
    written, source = np.array(data.rendering[pool.family]), np.array(data.source)
    size = len(RENDERINGS[pool.family])
    expected = np.zeros(size)
    for name, times in zip(*np.unique(source[chosen], return_counts=True), strict=True):
        of_set = np.bincount(written[rows][source[rows] == name], minlength=size)
        expected += times * of_set / of_set.sum()
    return (np.bincount(written[chosen], minlength=size) - expected) / len(chosen)


def summary(draws: list[Draw]) -> dict[str, Any]:
    """Means over tasks; the bias is that of the rendering that is furthest off in the mean."""
    own, ceiling = np.mean([draw.own for draw in draws]), np.mean([draw.ceiling for draw in draws])
    off = np.mean([draw.off for draw in draws], axis=0)
    return {
        "own_share": round(float(own), 3),
        "own_share_ceiling": round(float(ceiling), 3),
        "own_share_of_ceiling": round(float(own / ceiling), 3),
        "rendering_bias_points": round(100 * float(np.abs(off).max()), 1),
        "off_points": [round(100 * float(value), 1) for value in off],
        "wrong_share_ratio": round(float(np.mean([draw.wrong for draw in draws])), 3),
        "copies": round(float(np.mean([draw.copies for draw in draws])), 3),
        "own_by_task": [round(draw.own, 3) for draw in draws],
    }
