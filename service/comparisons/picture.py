"""The table of a comparison made ready to be printed: gains as text, and as bars on one scale. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.html.templates import NOTHING, number
from store.kit.json import Json

WIDTH = 240.0  # of a picture, in its own units
MARGIN = 6.0
MEASURES = {
    "accuracy": "accuracy",
    "choice_cross_entropy": "cross-entropy over the choices",
    "answer_nll": "NLL of the answer",
    "exact_match": "exact match",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A gain and its interval in the units of a picture."""

    at: float
    low: float
    high: float
    zero: float


def table(result: Json) -> Json:
    """What the template prints, for the result of a comparison."""
    scale = _Scale([one["against_random"] for one in result["arms"] if one.get("against_random")])
    unit = result.get("unit", "points")
    return {
        "sentence": _sentence(result["verdict"]["sentence"]),
        "interim": result["verdict"].get("interim", False),
        "measure": MEASURES[result["measure"]],
        "unit": unit,
        "questions": number(result.get("questions")),
        "evaluations": number(result["evaluations"]),
        "width": WIDTH,
        "arms": [_arm(one, scale, unit) for one in result["arms"]],
    }


def told(found: Json | None, unit: str) -> str:
    """A gain with its interval, more is better: +4.1 (+1.9 to +6.2)."""
    if found is None:
        return NOTHING
    value, interval = signed(found["gain"], unit), found["interval"]
    if interval is None:
        return f"{value} (noise not known yet)"
    return f"{value} ({signed(interval[0], unit)} to {signed(interval[1], unit)})"


def signed(value: float, unit: str) -> str:
    """A gain in points or nats."""
    return f"{100 * value:+.1f}" if unit == "points" else f"{value:+.3f}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _arm(one: Json, scale: "_Scale", unit: str) -> Json:
    against = one.get("against_random")
    return {
        "name": one["name"],
        "trainings": number(one.get("trainings")),
        "mean": number(one.get("mean")),
        "against_random": told(against, unit),
        "against_leader": told(one.get("against_leader"), unit),
        "bar": scale.bar(against),
        "remark": _remark(one),
        "selections": one.get("selection_ids", []),
    }


def _remark(one: Json) -> str:
    """Why an arm has no further trainings."""
    if one.get("same_as"):
        return f"selects the same rows as {one['same_as']}: trained once"
    if one.get("error"):
        return f"ended by {one['error']['code']}: {one['error']['detail']}"
    return "stopped: worse beyond doubt" if one.get("stopped") else ""


class _Scale:
    """From gains to places in a picture that holds all of them and zero."""

    def __init__(self, gains: Sequence[Json]) -> None:
        ends = [0.0, *(end for one in gains for end in (one["gain"], *(one["interval"] or ())))]
        self._least, self._span = min(ends), (max(ends) - min(ends)) or 1.0

    def bar(self, found: Json | None) -> Bar | None:
        if found is None:
            return None
        low, high = found["interval"] or (found["gain"], found["gain"])
        return Bar(*map(self._place, (found["gain"], low, high, 0.0)))

    def _place(self, value: float) -> float:
        share: float = (value - self._least) / self._span
        return round(MARGIN + (WIDTH - 2 * MARGIN) * share, 1)
