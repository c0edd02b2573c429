"""What the stored rows say: means, paired differences with intervals, ranks.

A difference between two methods is over the same questions. Its standard error has two parts: questions (the
spread of the per-question differences of seed means) and trainings (the spread over seeds of a method's mean:
random's own, which draws anew, and for all others, which draw the same again, pooled over the methods of the
task, for a few seeds alone say little). Intervals are 1.96 standard errors, whatever the number of seeds, and
are not corrected for the number of comparisons, which is printed; what is left of a verdict when all of the
metric are taken together (Holm 1979, family-wise 5 %) stands beside it as ``_corrected``.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality.loop_summary import finite, of_loops
from benchmarks.quality.names import BASE, CONTROL, OURS, SHARED, draws_anew, is_loop

PRIMARY = "choice_cross_entropy"
METRICS = (PRIMARY, "nll", "accuracy")
QUANTILE = 1.96

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

        A draw that does not look at the target is trained on once for all tasks, so its noise is not
        independent between them.
        """
        if draws_anew(method):
            means = np.stack([self.cells[cell][method].mean(1) for cell in cells]).mean(0)  # (seeds,)
            return float(means.var(ddof=1)) / len(means) if len(means) > 1 else float("nan")
        each = [self.pooled_variance(cell) / len(self.cells[cell][method]) for cell in cells]
        if method == SHARED:
            return float(np.mean(np.sqrt(each))) ** 2
        return sum(each) / len(cells) ** 2

    def pooled_variance(self, cell: Cell) -> float:
        """Between seeds of a method's mean over questions, pooled over all that draw the same again."""
        drawn = [losses.mean(1) for name, losses in self.cells[cell].items() if not draws_anew(name)]
        several = [means for means in drawn if len(means) > 1]
        freedom = sum(len(means) - 1 for means in several)
        return sum(float(((m - m.mean()) ** 2).sum()) for m in several) / freedom if freedom else float("nan")

    def with_all(self, k: int, names: set[str]) -> list[Cell]:
        """Cells of k that have all these methods."""
        return [cell for cell, methods in self.cells.items() if cell[1] == k and names <= methods.keys()]

    def ranks(self, cell: Cell, methods: Sequence[str]) -> dict[str, int]:
        """1 is the least loss."""
        means = {name: float(self.cells[cell][name].mean()) for name in methods if name in self.cells[cell]}
        return {name: place for place, name in enumerate(sorted(means, key=lambda n: means[n]), 1)}


def summarise(rows: Sequence[Json]) -> Json:
    """The whole as JSON; the top level is the primary metric's."""
    plain = [row for row in rows if not is_loop(row["method"])]
    by_metric = {metric: _of_metric(Cells(plain, metric)) | _loops(Cells(rows, metric)) for metric in METRICS}
    return {
        "tasks": sorted({row["task"] for row in rows}),
        "seeds": _seeds(rows),
        "methods": sorted({row["method"] for row in plain}),
        "runs": len(rows),
        "metric": PRIMARY,
        **by_metric[PRIMARY],
        "by_metric": {metric: by_metric[metric] for metric in METRICS[1:]},
        "draws": _draws(rows),
    }


def _of_metric(cells: Cells) -> Json:
    """Table and verdicts of one metric."""
    names = {name for methods in cells.cells.values() for name in methods}
    compared = sorted(name for name in names if name != BASE and "+" not in name)
    ranks = [cells.ranks(cell, compared) for cell, methods in cells.cells.items() if OURS in methods]
    rivals = [
        (cell, name) for cell, methods in cells.cells.items() if OURS in methods for name in methods
        if name in compared and name != OURS
    ]  # fmt: skip
    found = {(cell, name): cells.difference(OURS, name, [cell]) for cell, name in rivals}
    sure = {pair: found[pair] for pair in holm({pair: d.p_value for pair, d in found.items()})}
    return {
        "mean_rank_capacity": _mean([rank[OURS] for rank in ranks]),
        "mean_ranks": {name: _mean([rank[name] for rank in ranks if name in rank]) for name in compared},
        "win_rate_capacity": _mean([float(d.value < 0) for d in found.values()]),
        "comparisons": len(found),
        "tasks_beating_random": _beaten(found),
        "tasks_beating_random_corrected": _beaten(sure),
        "tasks_significantly_worse": _worse(found),
        "tasks_significantly_worse_corrected": _worse(sure),
        "seed_noise": {_name(cell): _noise(cells, cell) for cell in cells.cells},
        "table": {_name(cell): _cell(cells, cell) for cell in cells.cells},
        "against_random": _over_tasks(cells, {name: (name, CONTROL) for name in sorted(names - {CONTROL})}),
        "capacity_against": _over_tasks(cells, {name: (OURS, name) for name in sorted(names - {OURS})}),
    }


def _beaten(found: Mapping[Rival, Difference]) -> list[str]:
    """Cells where ours is separably below random draws."""
    return [
        _name(cell) for (cell, name), d in found.items() if name == CONTROL and d.separable and d.value < 0
    ]


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


def _loops(cells: Cells) -> Json:
    """Comparisons of loops, at the largest k: theirs."""
    k = max((k for _, k in cells.cells), default=0)

    def compare(first: str, second: str) -> tuple[dict[str, Json], Json | None]:
        both = cells.with_all(k, {first, second})
        each = {cell[0]: cells.difference(first, second, [cell]).as_json() for cell in both}
        return each, cells.difference(first, second, both).as_json() if both else None

    return of_loops(compare)


def _noise(cells: Cells, cell: Cell) -> dict[str, float | None]:
    """Standard deviation between seeds, of random draws and of the same draw; None where no seeds tell."""
    found = {"others": finite(float(np.sqrt(cells.pooled_variance(cell))))}
    if CONTROL in cells.cells[cell] and len(cells.cells[cell][CONTROL]) > 1:
        found[CONTROL] = round(float(cells.cells[cell][CONTROL].mean(1).std(ddof=1)), 4)
    return found


def _cell(cells: Cells, cell: Cell) -> Json:
    """Every method of a task: mean, seeds, difference to random."""
    found: Json = {}
    if cell[0] in cells.base:
        found["base"] = {"mean": round(float(cells.base[cell[0]].mean()), 4)}
    for name, losses in cells.cells[cell].items():
        found[name] = {"mean": round(float(losses.mean()), 4), "seeds": len(losses)}
        if name != CONTROL and CONTROL in cells.cells[cell]:
            found[name] |= cells.difference(name, CONTROL, [cell]).as_json()
    return found


def _over_tasks(cells: Cells, pairs: dict[str, tuple[str, str]]) -> Json:
    """Differences of named pairs over the tasks that have both methods, for every k."""
    found: Json = {}
    for k in sorted({k for _, k in cells.cells}, reverse=True):
        found[str(k)] = {}
        for name, (first, second) in pairs.items():
            if both := cells.with_all(k, {first, second}):
                difference = cells.difference(first, second, both)
                found[str(k)][name] = {**difference.as_json(), "tasks": len(both)}
    return found


def half(rows: Sequence[Json], rest: int) -> list[Json]:
    """The rows with every second question alone: one half to choose by, the other (``rest`` 1) to report."""

    def cut(row: Json) -> Json:
        return {**row, "questions": {name: values[rest::2] for name, values in row["questions"].items()}}

    return [cut(row) for row in rows]


def _losses(row: Json, metric: str) -> Floats:
    """(questions,), smaller is better: errors for accuracy."""
    questions = row["questions"]
    if metric == "accuracy":
        return np.array([1.0 - int(correct) for correct in questions["correct"]])
    return np.array(questions[metric], dtype=np.float64)


def _seeds(rows: Sequence[Json]) -> dict[str, dict[str, int]]:
    """Seeds of every method by k, at least: a task may have more."""
    seeds: dict[int, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for row in rows:
        seeds[row["k"]][row["method"]][row["task"]] += 1
    return {
        str(k): {name: min(counts.values()) for name, counts in sorted(seeds[k].items())}
        for k in sorted(seeds, reverse=True)
    }


def _draws(rows: Sequence[Json]) -> Json:
    """What each method drew, mean over tasks and seeds, by k."""
    names = ("own", "wrong", "copies", "answer_tokens", "tokens")
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for k in sorted({row["k"] for row in rows if "own" in row}, reverse=True):
        for method in sorted({row["method"] for row in rows}):
            own = [row for row in rows if row["k"] == k and row["method"] == method and "own" in row]
            if own:
                found[str(k)][method] = {name: _mean([row[name] for row in own]) for name in names}
    return dict(found)


def _name(cell: Cell) -> str:
    return f"{cell[0]}, k={cell[1]}"


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
