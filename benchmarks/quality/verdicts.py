"""What a comparison says of the stored rows: its arms, its intervals, its sentence (evoselect.verdicts)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality.names import CONTROL, draws_anew
from evoselect.verdicts.arms import Arm, Floats, Training
from evoselect.verdicts.judge import Unit, judge

UNITS: dict[str, Unit] = {"accuracy": "points", "choice_cross_entropy": "nats"}

Json = dict[str, Any]


def verdicts(rows: Sequence[Json], methods: Sequence[str]) -> Json:
    """By measure, task and k: outcome, arm and sentence; where random and another of the methods are."""
    found: Json = {}
    for measure, unit in UNITS.items():
        told = {}
        for cell, arms in _cells(rows, {CONTROL, *methods}, measure).items():
            if len(arms) > 1 and any(arm.name == CONTROL for arm in arms):
                verdict = judge(arms, CONTROL)
                told[cell] = {
                    "outcome": verdict.outcome,
                    "arm": verdict.arm,
                    "arms": len(arms),
                    "sentence": verdict.sentence(unit),
                }
        found[measure] = told
    return found


def _cells(rows: Sequence[Json], methods: set[str], measure: str) -> dict[str, list[Arm]]:
    """The arms of every task and k, their trainings by seed."""
    found: dict[tuple[int, str], dict[str, list[Training]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        if row["method"] in methods:
            training = Training(row["seed"], _values(row["questions"], measure), draw=row["seed"])
            found[-row["k"], row["task"]][row["method"]].append(training)
    return {
        f"{task}, k={-k}": [Arm(name, trained, draws_anew(name)) for name, trained in arms.items()]
        for (k, task), arms in sorted(found.items())
    }


def _values(questions: Json, measure: str) -> Floats:
    """(questions,), more is better."""
    if measure == "accuracy":
        return np.array([float(right) for right in questions["correct"]])
    return -np.array(questions[measure], dtype=np.float64)
