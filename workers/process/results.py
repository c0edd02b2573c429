"""What a job may say of itself: every number finite, and within the range that its meaning allows.

A worker passes what it made through here before it stores it. A number outside of its range is a fault of
ours: the job fails with internal_error, and the shard's id stands in the log.

Checked
+-- SelectionResult    with Diagnostics, Point (of the trade-off), Measures, Covered
+-- TrainingResult
+-- EvaluationResult, TasksResult
columns of items and of evaluations are checked as arrays: finite_columns
"""

import math
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evoselect.selection import Selection
from store.kit.json import Json

ROUNDING = 1e-3  # of float32 sums and of half-precision rows, whose norms are within 0.001 of 1
LARGEST = 2**63 - 1  # what the database keeps as an integer
LOOSENESS = 1e-4  # by which a bound that was computed may lie above what it bounds

Count = Annotated[int, Field(ge=0, le=LARGEST)]
NotNegative = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=-ROUNDING, le=1.0 + ROUNDING)]
Cosine = Annotated[float, Field(ge=-1.0 - 2 * ROUNDING, le=1.0 + 2 * ROUNDING)]
Cost = Annotated[float, Field(ge=-2 * ROUNDING, le=2.0 + 2 * ROUNDING)]
"""1 - cosine."""
Nll = Annotated[float, Field(ge=-ROUNDING)]
"""In nats."""


class ImpossibleResult(RuntimeError):
    """A number that is not finite, or outside of what it can mean."""


class Checked(BaseModel):
    """Further fields are taken as long as their numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)


class Point(Checked):
    """Of the trade-off."""

    lam: NotNegative = Field(alias="lambda")
    transport: Cost
    redundancy: Annotated[float, Field(ge=-ROUNDING)]
    residual: NotNegative
    beyond: Share


class Measures(Checked):
    """Of a set of k rows."""

    rows: Count
    transport: Cost
    redundancy: NotNegative
    vendi: NotNegative
    coverage: Cosine
    transport_whole: Cost | None = None


class Diagnostics(Checked):
    """What holds for every method; methods add their own."""

    k: Count
    candidates: Count
    targets: Count
    bandwidth: NotNegative
    group_shares: dict[str, Share]
    transport: Cost
    transport_lower_bound: Annotated[float, Field(le=2.0 + 2 * ROUNDING)] | None = None
    transport_relaxed: Cost | None = None
    gap: NotNegative | None = None
    rounded_away: Share | None = None
    tradeoff: list[Point] = []
    metrics: dict[str, Measures] = {}

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        bound = self.transport_lower_bound
        costs = [self.transport, self.transport_relaxed, *(point.transport for point in self.tradeoff)]
        below = [
            cost for cost in costs if bound is not None and cost is not None and cost < bound - LOOSENESS
        ]
        if below:
            raise ValueError(f"transport {below[0]} lies below its lower bound {bound}")
        return self


class Counts(Checked):
    """Every row accounted for."""

    pool: Count
    usable: Count
    left_out: dict[str, Count]
    target: Count
    target_statuses: dict[str, Count]
    shortened: dict[str, Count] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.pool != self.usable + sum(self.left_out.values()):
            raise ValueError(f"{self.pool} candidates are not {self.usable} usable ones and {self.left_out}")
        if self.target != sum(self.target_statuses.values()):
            raise ValueError(f"{self.target} targets are not {self.target_statuses}")
        return self


class Covered(Checked):
    """A target and the cosine of the selected item that is nearest to it."""

    id: str
    cosine: Cosine


class SelectionResult(Checked):
    """Of phase transport."""

    counts: Counts
    diagnostics: Diagnostics
    coverage: list[Covered]
    artifacts: dict[str, Json]


class TrainingResult(Checked):
    """Of phase train."""

    model_id: str
    steps: Annotated[int, Field(ge=1, le=LARGEST)]
    examples: Count
    tokens: Count
    answer_tokens: Count
    left_out: dict[str, Count]
    shortened: Count
    loss_history: list[Nll]
    seconds: NotNegative
    tokens_per_second: NotNegative


class EvaluationResult(Checked):
    """Of phase evaluate on records."""

    n: Count
    n_choices: Count
    left_out: dict[str, Count]
    accuracy: Share | None
    choice_cross_entropy: Nll | None
    answer_nll: Nll | None
    exact_match: Share | None
    intervals: dict[str, tuple[float, float] | None]


class TasksResult(Checked):
    """Of phase evaluate on lm-eval's tasks, whose metrics have their own meanings."""

    n: Count
    tasks: dict[str, Json]


def checked(model: type[Checked], result: Json) -> Json:
    """The result as it is; raises ImpossibleResult."""
    finite(result)
    try:
        model.model_validate(result)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the result"
        raise ImpossibleResult(f"{place} is {first['input']!r:.80}: {first['msg']}") from None
    return result


def finite(value: object, place: str = "the result") -> None:
    """Raises ImpossibleResult where a number anywhere inside cannot be written as JSON and read again."""
    if isinstance(value, dict):
        for name, item in value.items():
            finite(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            finite(item, place)
    elif isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            raise ImpossibleResult(f"{place} is {value:.3e}, more than 64 bits hold")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ImpossibleResult(f"{place} is {value}, which is no finite number")


def check_items(selection: Selection) -> None:
    """The columns of the items; raises ImpossibleResult."""
    reasons, whole = selection.reasons, 1.0 + ROUNDING
    served = reasons.target_index >= 0
    _within("weight", selection.weights, 0.0, whole)
    _within("sum of weights", selection.weights.sum(keepdims=True), 1.0 - ROUNDING, whole)
    _within("repeats", selection.repeats, 1, LARGEST)
    _within("score", reasons.score, -math.inf, math.inf)
    _within("redundancy", reasons.redundancy, -ROUNDING, len(selection.indices))
    _within("target cosine", reasons.target_cosine[served], -whole - ROUNDING, whole + ROUNDING)
    _within("target mass", reasons.target_mass[served], 0.0, whole)
    if reasons.ot_gradient is not None:
        _within("ot_gradient", reasons.ot_gradient, -math.inf, math.inf)
    if selection.coverage is not None:
        _within("coverage", selection.coverage, -whole - ROUNDING, whole + ROUNDING)


def check_nlls(name: str, values: list[float]) -> None:
    """Losses of records, in nats; raises ImpossibleResult."""
    _within(name, np.asarray(values, dtype=np.float64), -ROUNDING, math.inf)


def _within(name: str, values: Any, least: float, most: float) -> None:
    """Every value finite and in [least, most]."""
    bad = ~(np.isfinite(values) & (values >= least) & (values <= most))
    if bad.any():
        place = int(np.argmax(bad))
        raise ImpossibleResult(f"{name}[{place}] is {values[place]}, outside {least} to {most}")
