"""A selection in four sentences: what was chosen, whether that helped, what is missing, what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.html.templates import number, percent
from service.selections.report_responses import ReportedTargets
from service.selections.result_responses import Diagnostics, Measures, RowCounts

LIKE_RANDOM = 0.03  # a distance less than this share below a random draw's is as good as none
NAMED = 3  # examples that are named


@dataclass(frozen=True, slots=True)
class Summary:
    """Sentences for people who read nothing else."""

    chosen: str
    better: str
    missing: str
    onward: str

    def lines(self) -> list[str]:
        """Those that say something."""
        return [line for line in (self.chosen, self.better, self.missing, self.onward) if line]


def summary(
    *,
    counts: RowCounts,
    diagnostics: Diagnostics,
    against: Mapping[str, Measures],
    targets: ReportedTargets,
    texts: Mapping[str, str],
) -> Summary:
    """``texts`` say how target examples begin, by id."""
    gain = _gain(against)
    return Summary(
        f"{number(diagnostics.k)} of {number(counts.pool)} candidates were chosen for "
        f"{number(targets.total)} target examples.",
        _better(gain),
        _missing(targets, texts),
        _onward(gain, targets),
    )


def _gain(against: Mapping[str, Measures]) -> float | None:
    """By what share it is nearer to the target than a random draw; None where nobody measured."""
    if not against or not against["random"].transport:
        return None
    return 1.0 - against["selected"].transport / against["random"].transport


def _better(gain: float | None) -> str:
    if gain is None:
        return ""
    if abs(gain) < LIKE_RANDOM:
        return "They are no nearer to the target than a random draw of the same size."
    side = "nearer to" if gain > 0 else "farther from"
    return f"They are {percent(abs(gain))} {side} the target than a random draw of the same size."


def _missing(targets: ReportedTargets, texts: Mapping[str, str]) -> str:
    count = targets.uncovered
    if not count:
        return "Every target example has something like it among them."
    listed = [texts[row.id] for row in targets.listed if row.uncovered and row.id in texts]
    named = "; ".join(f"“{text}”" for text in listed[:NAMED])
    verb = "has" if count == 1 else "have"
    such = f", such as {named}" if named else ""
    return f"{number(count)} of the target examples {verb} nothing like them in it{such}."


def _onward(gain: float | None, targets: ReportedTargets) -> str:
    if gain is not None and gain < LIKE_RANDOM:
        return "Next: bring candidates that are more like the target: a random draw does as well as these."
    if targets.uncovered:
        return "Next: bring candidates like the examples that have nothing, or train on these and measure it."
    return "Next: train on these, and measure it against the model before and a random draw."
