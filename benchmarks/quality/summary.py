"""What the stored rows say: room, means, paired differences with intervals, ranks.

A difference between two methods is over the same questions. Its standard error has two parts: questions (the
spread of the per-question differences of seed means) and trainings (the spread over seeds of a method's mean:
of random draws their own, which draw anew; of all others, which draw the same again, pooled over the methods
of the task, for a few seeds alone say little). Intervals are 1.96 standard errors, whatever the number of
seeds, and are not corrected for the number of comparisons; what is left of a verdict when all of the metric
are taken together (Holm 1979, family-wise 5 %) stands beside it as ``_corrected``.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality.names import (
    BASE,
    CONTROL,
    MATCHED,
    OURS,
    OWN,
    TARGETLESS,
    UNRANKED,
    draws_anew,
)
from benchmarks.quality.verdicts import verdicts as verdicts_of

METRICS = ("accuracy", "choice_cross_entropy", "nll")
QUANTILE = 1.96
ROOM = 2.0  # standard errors that own rows or the best selection must be above random draws

Json = dict[str, Any]
Floats = npt.NDArray[np.float64]
Cell = tuple[str, int]  # task and k
Rival = tuple[Cell, str]  # a method that ours is compared with there


@dataclass(frozen=True)
class Difference:
    """Of two methods on a task; negative is better, for accuracy too."""

    value: float
    error: float

    @property
    def separable(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.value) > QUANTILE * self.error

    @property
    def p_value(self) -> float:
        """Two-sided, by the normal distribution; 1 where no seeds tell the error."""
        return math.erfc(abs(self.value) / self.error / math.sqrt(2)) if self.error > 0 else 1.0

    def as_json(self) -> Json:
        """Value and interval; no bounds where no seeds tell them."""
        half = QUANTILE * self.error
        return {
            "difference": round(self.value, 4),
            "low": finite(self.value - half),
            "high": finite(self.value + half),
        }


def finite(value: float) -> float | None:
    """Rounded; None for what is not a number."""
    return round(value, 4) if math.isfinite(value) else None


class Cells:
    """Losses by task, k and method: seeds x questions, smaller is better."""

    def __init__(self, rows: Sequence[Json], metric: str) -> None:
        found: dict[Cell, dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
        self.base: dict[str, Floats] = {}
        for row in sorted(rows, key=lambda row: int(row["seed"])):
            losses = _losses(row, metric)
            if row["method"] == BASE:
                self.base[row["task"]] = losses
            else:
                found[row["task"], row["k"]][row["method"]].append(losses)
        self.cells: dict[Cell, dict[str, Floats]] = {
            cell: {name: np.stack(seeds) for name, seeds in methods.items()}
            for cell, methods in sorted(found.items(), key=lambda item: (-item[0][1], item[0][0]))
        }

    def difference(self, method: str, other: str, cells: Sequence[Cell]) -> Difference:
        """Of the methods' means over the cells, whose questions are independent."""
        pairs = [(self.cells[cell][method].mean(0), self.cells[cell][other].mean(0)) for cell in cells]
        by_question = [first - second for first, second in pairs]
        questions = sum(float(d.var(ddof=1)) / len(d) for d in by_question) / len(cells) ** 2
        error = np.sqrt(questions + self._trainings(method, cells) + self._trainings(other, cells))
        return Difference(float(np.mean([d.mean() for d in by_question])), float(error))

    def _trainings(self, method: str, cells: Sequence[Cell]) -> float:
        """Variance of the method's mean over the cells that its trainings add; NaN where no seeds tell.

        A random draw is trained on once for all tasks, so its noise is not independent between them.
        """
        if method in TARGETLESS and draws_anew(method):
            means = np.stack([self.cells[cell][method].mean(1) for cell in cells]).mean(0)  # (seeds,)
            return float(means.var(ddof=1)) / len(means) if len(means) > 1 else math.nan
        own = self.anew_variance if draws_anew(method) else self.pooled_variance
        each = [own(cell) / len(self.cells[cell][method]) for cell in cells]
        if method in TARGETLESS:
            return float(np.mean(np.sqrt(each))) ** 2
        return sum(each) / len(cells) ** 2

    def pooled_variance(self, cell: Cell) -> float:
        """Between seeds of a method's mean over questions, pooled over all that draw the same again."""
        return _pooled([means for name, means in self._means(cell) if not draws_anew(name)])

    def anew_variance(self, cell: Cell) -> float:
        """The same over all that draw anew by seed."""
        return _pooled([means for name, means in self._means(cell) if draws_anew(name)])

    def _means(self, cell: Cell) -> list[tuple[str, Floats]]:
        return [(name, losses.mean(1)) for name, losses in self.cells[cell].items()]

    def with_all(self, k: int, names: set[str]) -> list[Cell]:
        """Cells of k that have all these methods."""
        return [cell for cell, methods in self.cells.items() if cell[1] == k and names <= methods.keys()]

    def ranks(self, cell: Cell, methods: Sequence[str]) -> dict[str, float]:
        """1 is the least loss; equal losses share the mean of their places."""
        means = {
            name: round(float(self.cells[cell][name].mean()), 9)
            for name in methods
            if name in self.cells[cell]
        }
        ordered = sorted(means.values())
        return {
            name: (ordered.index(mean) + 1 + len(ordered) - ordered[::-1].index(mean)) / 2
            for name, mean in means.items()
        }


def _pooled(drawn: Sequence[Floats]) -> float:
    several = [means for means in drawn if len(means) > 1]
    freedom = sum(len(means) - 1 for means in several)
    return sum(float(((m - m.mean()) ** 2).sum()) for m in several) / freedom if freedom else math.nan


def summarise(rows: Sequence[Json], tasks: Sequence[str]) -> Json:
    """The whole as JSON, of these tasks; the keys at the top are of accuracy where they do not say."""
    of = {metric: Cells([row for row in rows if row["task"] in tasks], metric) for metric in METRICS}
    admitted = admission(Cells(rows, "accuracy"))
    verdicts = {metric: _of_metric(cells) for metric, cells in of.items()}
    gain = verdicts["accuracy"]["against"].get(CONTROL)
    return {
        "tasks": list(tasks),
        "tasks_with_room": sum(admitted[task]["room"] for task in tasks if task in admitted),
        "accuracy_gain_points": None if gain is None else round(-100 * gain["difference"], 2),
        "accuracy_gain_low": None if gain is None or gain["high"] is None else round(-100 * gain["high"], 2),
        "tasks_worse": sorted({name for found in verdicts.values() for name in found["worse"]}),
        "mean_rank_accuracy": verdicts["accuracy"]["mean_ranks"].get(OURS),
        "mean_rank_cross_entropy": verdicts["choice_cross_entropy"]["mean_ranks"].get(OURS),
        "runs": len(rows),
        "verdicts": verdicts_of(
            [row for row in rows if row["task"] in tasks], compared({row["method"] for row in rows})
        ),
        "admission": admitted,
        "by_metric": verdicts,
        "draws": _draws([row for row in rows if row["task"] in tasks]),
    }


def admission(cells: Cells) -> Json:
    """For every task: whether own rows at random beat mixed draws by more than ROOM standard errors."""
    found: Json = {}
    for task, k in [cell for cell, methods in cells.cells.items() if {OWN, CONTROL} <= methods.keys()]:
        if task in found:
            continue
        own = cells.cells[task, k][OWN].mean(0) - cells.cells[task, k][CONTROL].mean(0)
        error = float(own.std(ddof=1)) / len(own) ** 0.5
        found[task] = {
            "base": finite(1 - float(cells.base[task].mean())) if task in cells.base else None,
            "random": finite(1 - float(cells.cells[task, k][CONTROL].mean())),
            "own": finite(1 - float(cells.cells[task, k][OWN].mean())),
            "error": finite(error),
            "room": bool(-own.mean() > ROOM * error),
        }
    return found


def compared(methods: Iterable[str]) -> list[str]:
    """Those that are told apart: no variants of ours, and nothing that knows more than a method may."""
    return sorted(name for name in {*methods} - {*UNRANKED} if name == "rds+" or "+" not in name)


def _of_metric(cells: Cells) -> Json:
    """Table and verdicts of one metric."""
    largest = max((k for _, k in cells.cells), default=0)
    names = {name for methods in cells.cells.values() for name in methods}
    ranked = compared(names)
    ours = [cell for cell, methods in cells.cells.items() if OURS in methods]
    rivals = [(cell, name) for cell in ours for name in cells.cells[cell] if name in ranked and name != OURS]
    found = {(cell, name): cells.difference(OURS, name, [cell]) for cell, name in rivals}
    kept = holm({pair: d.p_value for pair, d in found.items()})
    whole = [cell for cell in ours if cell[1] == largest and set(ranked) <= cells.cells[cell].keys()]
    ranks = [cells.ranks(cell, ranked) for cell in whole]
    return {
        "k": largest,
        "mean_ranks": {name: _mean([rank[name] for rank in ranks]) for name in ranked} if ranks else {},
        "ranked_tasks": [cell[0] for cell in whole],
        "worse": _worse(found),
        "worse_corrected": _worse({pair: found[pair] for pair in kept}),
        "comparisons": len(found),
        "training_noise": {
            _name(cell): finite(math.sqrt(cells.pooled_variance(cell))) for cell in cells.cells
        },
        "table": {_name(cell): _cell(cells, cell) for cell in cells.cells},
        "against": _over_tasks(cells, largest, {name: (OURS, name) for name in sorted(names - {OURS})}),
        "against_random": _over_tasks(
            cells, largest, {name: (name, CONTROL) for name in sorted(names - {CONTROL})}
        ),
        "against_matched": _over_tasks(
            cells, largest, {name: (name, MATCHED) for name in sorted(names - {MATCHED})}
        ),
    }


def _worse(found: Mapping[Rival, Difference]) -> list[str]:
    """Cells and methods that ours is separably above."""
    return [f"{_name(cell)}: {name}" for (cell, name), d in found.items() if d.separable and d.value > 0]


def holm(p_values: Mapping[Rival, float], level: float = 0.05) -> list[Rival]:
    """The comparisons that stay significant at ``level`` for all together (Holm's step-down procedure)."""
    kept: list[Rival] = []
    for pair in sorted(p_values, key=lambda pair: p_values[pair]):
        if p_values[pair] > level / (len(p_values) - len(kept)):
            break
        kept.append(pair)
    return kept


def _cell(cells: Cells, cell: Cell) -> Json:
    """Every method of a task: mean, seeds, difference to random."""
    found: Json = {}
    if cell[0] in cells.base:
        found[BASE] = {"mean": round(float(cells.base[cell[0]].mean()), 4)}
    for name, losses in cells.cells[cell].items():
        found[name] = {"mean": round(float(losses.mean()), 4), "seeds": len(losses)}
        if name != CONTROL and CONTROL in cells.cells[cell]:
            found[name] |= cells.difference(name, CONTROL, [cell]).as_json()
    return found


def _over_tasks(cells: Cells, k: int, pairs: dict[str, tuple[str, str]]) -> Json:
    """Differences of named pairs over the tasks that have both methods."""
    found: Json = {}
    for name, (first, second) in pairs.items():
        if both := cells.with_all(k, {first, second}):
            found[name] = {**cells.difference(first, second, both).as_json(), "tasks": len(both)}
    return found


def _losses(row: Json, metric: str) -> Floats:
    """(questions,), smaller is better: errors for accuracy."""
    questions = row["questions"]
    if metric == "accuracy":
        return np.array([1.0 - int(correct) for correct in questions["correct"]])
    return np.array(questions[metric], dtype=np.float64)


def _draws(rows: Sequence[Json]) -> Json:
    """What each method drew, mean over tasks and seeds, by k."""
    names = ("own", "wrong", "copies", "tokens")
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for k in sorted({row["k"] for row in rows if "own" in row}, reverse=True):
        for method in sorted({row["method"] for row in rows}):
            drawn = [row for row in rows if row["k"] == k and row["method"] == method and "own" in row]
            if drawn:
                found[str(k)][method] = {name: _mean([row[name] for row in drawn]) for name in names}
    return dict(found)


def _name(cell: Cell) -> str:
    return f"{cell[0]}, k={cell[1]}"


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
