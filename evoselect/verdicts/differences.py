"""The difference of two arms, paired by question, with the noise between trainings in its interval.

The score of question q after training t of arm a is mu_a + Q_aq + T_at + E_atq, all of them random. With Q
questions and n units (trainings; draws of a random arm) the variance of the arms' difference is

    s_d^2 / Q + T_a / n_a + T_b / n_b,    T = max(0, S - E / Q)

where s_d^2 is the variance over questions of the difference of the arms' means, S the variance between units
of their means over the questions, and E the residual variance of units crossed with questions, which s_d^2
and S both hold. Two-way random effects: Searle, Casella, McCulloch, Variance Components (1992), chapter 4.

S is pooled over the arms of a kind, random or not, for few units alone say little. By chance it comes out
near 0 where there are few, and Satterthwaite's degrees of freedom (1946) would then be too many: so it is
taken to be no less than what all units of all arms say together (ours; simulated in benchmarks.comparison).
Without an arm of its kind that is repeated, S is that of the draws, which hold a training's noise too. What a
draw adds is not known from trainings of one draw, so then there is no interval.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from evoselect.verdicts.arms import Arm, Floats
from evoselect.verdicts.student import quantile, two_sided


@dataclass(frozen=True, slots=True)
class Spread:
    """A variance and the degrees of freedom that it was estimated with; NaN and 0 where nothing was."""

    variance: float
    freedom: int


@dataclass(frozen=True, slots=True)
class Difference:
    """First arm less second; bounds and p are None where no repetition tells the noise."""

    value: float
    error: float | None
    """Standard error."""
    freedom: float
    """Degrees of freedom of the error."""
    low: float | None
    high: float | None
    """For as many differences together as the level was divided by."""
    p: float | None
    """Two-sided, times the number of differences (Bonferroni), at most 1: below 1 - level as 0 is outside."""


class Noise:
    """What all arms together say about the noise of a unit."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        repeats = [one for arm in arms if not arm.drawn for one in arm.repeats]
        within = [one for arm in arms if arm.drawn for one in arm.repeats]
        draws = [arm.units for arm in arms if arm.drawn]
        trained = _between([*repeats, *within])
        drawn = _between(draws)
        everything = _between([*repeats, *draws])
        self.trained = _at_least(trained if trained.freedom else drawn, everything)
        """Of a training's mean over the questions."""
        self.drawn = _at_least(drawn, everything)
        """Of a draw's."""
        of_draws, of_trainings = _residual(draws), _residual([*repeats, *within])
        pooled = {True: of_draws, False: of_trainings if of_trainings.freedom else of_draws}
        own = {arm.name: _residual([arm.units]) for arm in arms}
        self._residuals = {
            arm.name: own[arm.name] if own[arm.name].freedom else pooled[arm.drawn] for arm in arms
        }

    def of(self, arm: Arm) -> Spread:
        """Between units of the arm."""
        return self.drawn if arm.drawn else self.trained

    def residual(self, arm: Arm) -> float:
        """Of a question after a unit of the arm, what neither says alone."""
        return self._residuals[arm.name].variance


@dataclass(frozen=True, slots=True)
class Parts:
    """What the error of a difference is made of: all variances of the difference."""

    value: float
    questions: Spread
    """s_d^2 / Q."""
    residuals: tuple[float, float]
    """What it holds of each arm's E / (n Q)."""
    units: tuple[Spread, Spread]
    """T / n of each arm."""
    alike: bool
    """Whether both arms' T was estimated from the same units."""

    @property
    def known(self) -> bool:
        """Whether repetitions tell both arms' noise."""
        return all(part.freedom for part in self.units)

    def variance(self) -> float:
        """Of the difference."""
        return self.questions.variance + sum(part.variance for part in self.units)

    def freedom(self) -> float:
        """Satterthwaite's approximation."""
        first, second = self.units
        if self.alike:
            both = Spread(first.variance + second.variance, first.freedom)
            return satterthwaite([self.questions, both])
        return satterthwaite([self.questions, first, second])


def parts_of(first: Arm, second: Arm, noise: Noise) -> Parts:
    """The parts of the first arm's mean less the second's."""
    pair, changes = (first, second), first.means - second.means
    count = len(changes)
    residuals = [noise.residual(arm) / count for arm in pair]
    units = [
        Spread(max(0.0, noise.of(arm).variance - residual) / len(arm.units), noise.of(arm).freedom)
        for arm, residual in zip(pair, residuals, strict=True)
    ]
    return Parts(
        value=float(changes.mean()),
        questions=Spread(float(changes.var(ddof=1)) / count, count - 1),
        residuals=(residuals[0] / len(first.units), residuals[1] / len(second.units)),
        units=(units[0], units[1]),
        alike=noise.of(first) == noise.of(second),
    )


def difference(parts: Parts, error: float, family: int) -> Difference:
    """The interval that misses with probability ``error`` in any of ``family`` differences (Dunn 1961)."""
    if not parts.known:
        return Difference(parts.value, None, 0.0, None, None, None)
    deviation = math.sqrt(parts.variance())
    if deviation == 0:
        sure = float(parts.value == 0)
        return Difference(parts.value, 0.0, math.inf, parts.value, parts.value, sure)
    freedom = parts.freedom()
    half = quantile(error / family, freedom) * deviation
    p = min(1.0, family * p_value(parts))
    return Difference(parts.value, deviation, freedom, parts.value - half, parts.value + half, p)


def p_value(parts: Parts) -> float:
    """Two-sided, of a single difference whose noise is known."""
    variance = parts.variance()
    if variance == 0:
        return float(parts.value == 0)
    return two_sided(parts.value / math.sqrt(variance), parts.freedom())


def satterthwaite(parts: Iterable[Spread]) -> float:
    """Degrees of freedom of a sum of estimated variances, of which one is above 0."""
    some = [part for part in parts if part.variance > 0]
    return sum(part.variance for part in some) ** 2 / sum(p.variance**2 / p.freedom for p in some)


def _between(groups: Sequence[Floats]) -> Spread:
    """Of the units' means over the questions, pooled over groups of (units, questions)."""
    means = [group.mean(1) for group in groups if len(group) > 1]
    freedom = sum(len(each) - 1 for each in means)
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in means)
    return Spread(squares / freedom, freedom) if freedom else Spread(math.nan, 0)


def _residual(groups: Sequence[Floats]) -> Spread:
    """Mean square of (units, questions) less both means, pooled over groups."""
    several = [group for group in groups if len(group) > 1]
    freedom = sum((group.shape[0] - 1) * (group.shape[1] - 1) for group in several)
    left = (group - group.mean(0) - group.mean(1, keepdims=True) + group.mean() for group in several)
    squares = sum(float(np.vdot(each, each)) for each in left)
    return Spread(squares / freedom, freedom) if freedom else Spread(math.nan, 0)


def _at_least(spread: Spread, other: Spread) -> Spread:
    return Spread(max(spread.variance, other.variance), spread.freedom) if spread.freedom else spread
