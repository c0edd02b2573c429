"""The verdict of a comparison: use this arm, random is as good, or how much more it takes to tell.

The intervals against the control hold together for all arms (Bonferroni over arms less one), so that the
claim "better than the control" is wrong for any arm in at most (1 - level) / 2 of comparisons in which none
is. Those against the leader hold for all pairs, because the leader is named by the same numbers. Arms that
were stopped are counted too.

While trainings go on a verdict is interim: it is looked at again and again, at most once after each training
but the last, so each of these looks has the error divided by their number (the union bound, as halving has
it; simulated in benchmarks.comparison). It names no arm before that arm and the control have two trainings,
for until then the noise is hardly known, and says nothing of random being as good, which takes all arms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evoselect.errors import InvalidInput
from evoselect.verdicts.arms import Arm, check
from evoselect.verdicts.differences import Difference, Noise, difference, parts_of
from evoselect.verdicts.planning import MOST_MORE, MOST_QUESTIONS, Further, further_trainings

Outcome = Literal["use", "random_is_as_good", "not_enough"]
Unit = Literal["points", "nats"]
LEAST_TRAININGS = 2  # of an arm that an interim verdict may name, and of the control
WORTHWHILE = 0.05  # 5 points, or 0.05 nats: the least gain that anybody would change a method for


@dataclass(frozen=True, slots=True)
class Row:
    """An arm in the table."""

    arm: str
    mean: float
    trainings: int
    stopped: bool
    against_control: Difference | None
    """Arm less control; None for the control itself."""
    against_leader: Difference | None
    """Arm less leader; None for the leader itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trainings say."""

    outcome: Outcome
    arm: str
    """use: the arm to use. Else the arm that the interval is of: the best, or where the control is as good
    the one whose gain may be the largest."""
    control: str
    leader: str
    """The arm with the highest mean; the control may be it."""
    gain: float
    low: float | None
    high: float | None
    """Of the arm against the control; None where no repetition tells the noise."""
    further: Further | None
    """For not_enough: what would tell; None where nothing of a reasonable size would."""
    rows: list[Row]
    """By falling mean."""
    planned: int | None = None
    """For an interim verdict the trainings that there are to be; None at the end."""

    @property
    def further_trainings(self) -> int | None:
        """How many would tell, of all arms together; None where it is not by trainings."""
        return self.further.trainings if self.further is not None else None

    def sentence(self, unit: Unit = "points") -> str:
        """The verdict in words; values are shares that points are made of, or nats."""
        span = None if self.low is None or self.high is None else (self.low, self.high)
        if self.planned is not None:
            return self._interim_sentence(span, unit)
        if self.outcome == "use" and span is not None:
            bounds = " to ".join(_number(bound, unit) for bound in span)
            return f"use {self.arm} (gain {_signed(self.gain, unit)} {unit}, {bounds})"
        if self.outcome == "random_is_as_good" and span is not None:
            bounds = " to ".join(_signed(bound, unit) for bound in span)
            return (
                f"{self.control} is {'better' if span[1] < 0 else 'as good'}: the interval is {bounds} {unit}"
            )
        return f"not enough: {_wanting(self.further)}"

    def _interim_sentence(self, span: tuple[float, float] | None, unit: Unit) -> str:
        measured = f"{sum(row.trainings for row in self.rows)} of {self.planned} trainings are measured"
        if self.outcome != "use" or span is None:
            return f"no verdict yet, {measured}"
        bounds = " to ".join(_number(bound, unit) for bound in span)
        gain = f"gain {_signed(self.gain, unit)} {unit}, {bounds}, corrected for looking often"
        return f"so far {self.arm} is better than {self.control} ({gain}): {measured}"


def judge(
    arms: Sequence[Arm],
    control: str = "random",
    level: float = 0.95,
    worthwhile: float = WORTHWHILE,
    *,
    planned: int | None = None,
) -> Verdict:
    """The verdict on arms that were evaluated on the same questions; higher values are better.

    "use": the interval of some arm's gain over the control lies above 0; of those the arm with the highest
    mean. "random_is_as_good": no interval reaches above ``worthwhile``, the least gain that is of interest. A
    stopped arm was worse than another one, so it is in the table and not in question. ``planned`` is how many
    trainings there are to be, while more are to come: the verdict is interim, its intervals wider. Raises
    InvalidInput for arms that cannot be compared.
    """
    check(arms, control)
    if not 0 < level < 1 or worthwhile < 0:
        raise InvalidInput(f"level must be in (0, 1) and worthwhile not below 0, got {level}, {worthwhile}")
    looks = 1 if planned is None else max(1, planned - 1)
    rows = _table(arms, control, (1 - level) / looks)
    asked = _asked(rows)
    if planned is not None:
        outcome, arm, gain = _interim(asked, next(row.trainings for row in rows if row.arm == control))
    else:
        outcome, arm, gain = _outcome(asked, worthwhile)
    further = None
    if planned is None and outcome == "not_enough":
        further = further_trainings(arms, arm, control, error=1 - level, worthwhile=worthwhile)
    return Verdict(
        outcome, arm, control, rows[0].arm, gain.value, gain.low, gain.high, further, rows, planned
    )


def _asked(rows: Sequence[Row]) -> list[tuple[Row, Difference]]:
    """The arms in question and their gains, by falling mean."""
    gains = [(row, row.against_control) for row in rows if row.against_control is not None]
    return [(row, gain) for row, gain in gains if not row.stopped] or gains


def _outcome(asked: Sequence[tuple[Row, Difference]], worthwhile: float) -> tuple[Outcome, str, Difference]:
    """Also the arm that it is about, and its gain."""
    for row, gain in asked:
        if gain.low is not None and gain.low > 0:
            return "use", row.arm, gain
    highs = [gain.high for _, gain in asked if gain.high is not None]
    row, gain = asked[0]
    if len(highs) == len(asked) and max(highs) <= worthwhile:
        row, gain = asked[highs.index(max(highs))]
        return "random_is_as_good", row.arm, gain
    return "not_enough", row.arm, gain


def _interim(asked: Sequence[tuple[Row, Difference]], of_control: int) -> tuple[Outcome, str, Difference]:
    """The same while more is to come; the control has ``of_control`` trainings."""
    for row, gain in asked:
        known = min(row.trainings, of_control) >= LEAST_TRAININGS
        if known and gain.low is not None and gain.low > 0:
            return "use", row.arm, gain
    row, gain = asked[0]
    return "not_enough", row.arm, gain


def _table(arms: Sequence[Arm], control: str, error: float) -> list[Row]:
    noise = Noise(arms)
    ordered = sorted(arms, key=lambda arm: -arm.means.mean())
    base = next(arm for arm in arms if arm.name == control)
    pairs = len(arms) * (len(arms) - 1) // 2

    def against(arm: Arm, other: Arm, family: int) -> Difference | None:
        return None if arm is other else difference(parts_of(arm, other, noise), error, family)

    return [
        Row(
            arm.name,
            float(arm.means.mean()),
            len(arm.trainings),
            arm.stopped,
            against(arm, base, len(arms) - 1),
            against(arm, ordered[0], pairs),
        )
        for arm in ordered
    ]


def _wanting(further: Further | None) -> str:
    if further is None:
        return (
            f"neither {MOST_MORE} more trainings an arm nor {MOST_QUESTIONS} times the questions would tell"
        )
    if further.trainings is not None:
        noun = "training" if further.trainings == 1 else "trainings"
        return f"another {further.trainings} {noun} would tell"
    return f"more trainings alone would not tell, another {further.questions} questions would"


def _number(value: float, unit: Unit) -> str:
    return f"{100 * value:.1f}" if unit == "points" else f"{value:.3f}"


def _signed(value: float, unit: Unit) -> str:
    return f"{100 * value:+.1f}" if unit == "points" else f"{value:+.3f}"
