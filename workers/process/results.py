"""What a job may say of itself: every number finite, and within the range that its meaning allows.

A worker makes its result by `checked` before it stores it. A number outside of its range is a fault of ours:
the job fails with internal_error, and the shard's id stands in the log. Columns of items and of evaluations
are checked as arrays.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from evoselect.selection import Selection
from store.jobs.results import LARGEST, ROUNDING, Result

ResultT = TypeVar("ResultT", bound=Result)


class ImpossibleResult(RuntimeError):
    """A number that is not finite, or outside of what it can mean."""


def checked(model: type[ResultT], found: Mapping[str, object]) -> ResultT:
    """The result of these fields; raises ImpossibleResult."""
    finite(found)
    try:
        return model.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the result"
        raise ImpossibleResult(f"{place} is {first['input']!r:.80}: {first['msg']}") from None


def finite(value: object, place: str = "the result") -> None:
    """Raises ImpossibleResult where a number anywhere inside cannot be written as JSON and read again."""
    if isinstance(value, Mapping):
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
