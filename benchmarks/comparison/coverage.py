"""How often a 95 % interval of a difference holds the truth, with few trainings."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison.world import World
from evoselect.verdicts.arms import Arm, Floats, Training
from evoselect.verdicts.differences import Noise, difference, parts_of

ROWS = Path(__file__).parents[1] / "quality" / "rows" / "mixed.jsonl"
QUESTIONS, SEEDS, DRAWS, RIVALS = 200, 2, 3, 3
NOISES = ((0.0, 0.0), (0.02, 0.02), (0.07, 0.03), (0.07, 0.07), (0.03, 0.09), (0.13, 0.05))
"""Of trainings and of draws beside them, in shares of the questions, as docs/results.md has them by task."""
REPEATED = 3  # trainings that a method of the stored rows needs to show its noise


def numbers(runs: int) -> dict[str, Any]:
    """Coverage by noise, and on the stored rows."""
    found = {
        f"training {training}, draw {draw}, {rivals} arms": _simulated(
            World(training=training, draw=draw), rivals, runs
        )
        for training, draw in NOISES
        for rivals in (1, RIVALS, 7)
    }
    stored = _on_rows(runs)
    return {
        "interval_coverage": round(float(np.mean(list(found.values()))), 4),
        "interval_coverage_least": min(found.values()),
        "interval_coverage_most": max(found.values()),
        "by_setting": found,
        "rows_interval_coverage": round(float(np.mean(list(stored.values()))), 4),
        "rows_by_task": stored,
    }


def _simulated(world: World, rivals: int, runs: int) -> float:
    source = np.random.default_rng(0)
    gains = {f"arm-{number}": 0.0 for number in range(rivals)}
    return _covered([(world.arms(gains, SEEDS, DRAWS, source), 0.0) for _ in range(runs)])


def _covered(comparisons: list[tuple[list[Arm], float]]) -> float:
    """Share of the intervals of the second arm less the first that hold the truth beside them."""
    inside = 0
    for arms, truth in comparisons:
        found = difference(parts_of(arms[1], arms[0], Noise(arms)), 0.05, 1)
        inside += found.low is not None and found.high is not None and found.low <= truth <= found.high
    return round(inside / len(comparisons), 4)


def _on_rows(runs: int) -> dict[str, float]:
    """By task and measure: random draws and methods of the stored rows, trained and asked anew.

    A training is the method's mean of each question and a normal mixture of the deviations that its stored
    trainings had, so noise is shared by questions as it was; the questions are drawn from all.
    """
    found = {}
    for (task, measure), methods in _stored().items():
        source = np.random.default_rng(0)
        names = ["random", *[name for name in methods if name != "random"]]
        truth = float(methods[names[1]].mean() - methods["random"].mean())
        made = [(_redrawn([(name, methods[name]) for name in names], source), truth) for _ in range(runs)]
        found[f"{task}, {measure}"] = _covered(made)
    return found


def _redrawn(methods: list[tuple[str, Floats]], source: np.random.Generator) -> list[Arm]:
    chosen = source.integers(methods[0][1].shape[1], size=QUESTIONS)
    arms = []
    for name, stored in methods:
        drawn = name == "random"
        deviations = stored - stored.mean(0)
        count = DRAWS if drawn else SEEDS
        weights = source.normal(size=(count, len(stored))) / np.sqrt(len(stored) - 1)
        values = (stored.mean(0) + weights @ deviations)[:, chosen]
        arms.append(Arm(name, [Training(i, row, i) for i, row in enumerate(values)], drawn))
    return arms


def _stored() -> dict[tuple[str, str], dict[str, Floats]]:
    """(trainings, questions) of the methods with several, by task and measure; random is one of them."""
    values: dict[tuple[str, str], dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for line in ROWS.read_text().splitlines():
        row = json.loads(line)
        if row["k"] == 160:
            asked = row["questions"]
            values[row["task"], "accuracy"][row["method"]].append([float(c) for c in asked["correct"]])
            values[row["task"], "nats"][row["method"]].append([-c for c in asked["choice_cross_entropy"]])
    several = {
        cell: {name: np.array(rows) for name, rows in methods.items() if len(rows) >= REPEATED}
        for cell, methods in values.items()
    }
    return {cell: methods for cell, methods in several.items() if {"random", "default"} <= methods.keys()}
