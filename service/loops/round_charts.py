"""A loop by its rounds, as charts: one for each measure that its evaluations have. Pure."""

from collections.abc import Mapping

from service.html.charts import NAMES, Chart, Series
from store.kit.json import Json
from store.loops.plan import LOSSES

Measured = Mapping[str, Mapping[int, Json]]
"""By arm and round the result of its evaluation; round 0 is the model that the loop began with."""
MEASURES = {
    "choice_cross_entropy": ("Cross-entropy over the choices", "nats, less is better"),
    "answer_nll": ("NLL of the answer", "nats per token, less is better"),
    "accuracy": ("Accuracy", "share of right choices, more is better"),
    "exact_match": ("Exact match", "share of answers, more is better"),
}
READING = (
    "Whiskers are 95 % intervals by bootstrap over the evaluation examples. They know nothing of training "
    "seeds, and intervals that overlap do not say that the arms are equal: the arms answer the same examples."
)


def charts(measured: Measured) -> dict[str, Chart]:
    """By measure, those that any round has; the one that the loop is judged by comes first."""
    found = (name for name in MEASURES if any(_has(rounds, name) for rounds in measured.values()))
    return {name: _chart(name, measured) for name in found}


def judged_by(evaluation: Json) -> str | None:
    """The measure that gains are told in."""
    return next((name for name in LOSSES if evaluation.get(name) is not None), None)


def _has(rounds: Mapping[int, Json], name: str) -> bool:
    return any(evaluation.get(name) is not None for evaluation in rounds.values())


def _chart(name: str, measured: Measured) -> Chart:
    title, unit = MEASURES[name]
    numbers = sorted({number for rounds in measured.values() for number in rounds})
    series = [_series(name, arm, rounds, numbers) for arm, rounds in measured.items() if _has(rounds, name)]
    return Chart(title, READING, "round", unit, list(numbers), series, whole=True)


def _series(name: str, arm: str, rounds: Mapping[int, Json], numbers: list[int]) -> Series:
    values = [rounds.get(number, {}).get(name) for number in numbers]
    intervals = [rounds.get(number, {}).get("intervals", {}).get(name) for number in numbers]
    return Series(NAMES[arm], arm, values, "dots", intervals)
