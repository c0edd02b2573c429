"""How large a gain trainings can show, before they start and after some of them.

Before: with the noise of docs/results.md as a prior. After: with the noise that was seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evoselect.errors import InvalidInput
from evoselect.verdicts.arms import Arm
from evoselect.verdicts.differences import Noise, Parts, Spread, parts_of, satterthwaite
from evoselect.verdicts.student import quantile

# The detectable gain is seen with probability 0.8 (.79 to .83 in simulated comparisons). The formula aims
# higher, for it does not know that judge() takes noise to be no less than all units together say.
AIM = 0.9
MOST_MORE = 32  # trainings an arm, and ...
MOST_QUESTIONS = 10  # ... times the questions that are thought of when more is asked for


@dataclass(frozen=True, slots=True)
class Prior:
    """Standard deviations that are expected before anything was trained, in the values' unit."""

    question: float
    """Of a question's expected difference between two arms, over the questions."""
    training: float
    """Of a training's mean over some 300 questions, by its seed alone."""
    draw: float
    """Of a random draw's, beside that of its training."""


# Root mean squares over the five reporting tasks of docs/results.md (135M parameters, 160 examples, 300
# questions): between seeds of the default and of the random draws, and between questions of their difference.
ACCURACY = Prior(question=0.2, training=0.075, draw=0.03)
CROSS_ENTROPY = Prior(question=0.95, training=0.1, draw=0.35)  # nats


@dataclass(frozen=True, slots=True)
class Further:
    """What would tell, if the difference is as it seems now; one of the two."""

    trainings: int | None
    """Of all arms that need them together."""
    questions: int | None


def detectable_gain(
    questions: int,
    seeds: int,
    draws: int,
    arms: int,
    *,
    prior: Prior = ACCURACY,
    level: float = 0.95,
) -> float:
    """The gain over random that a comparison shows with probability 0.8, in the prior's unit.

    ``arms`` with the control, each trained from ``seeds`` seeds; the control on ``draws`` draws, once each.
    (t_{1 - error / 2} + t_AIM) standard errors, as judge() would find them. Infinite where one draw leaves
    the noise of draws unknown.
    """
    if min(questions - 1, seeds, draws, arms - 1) < 1:
        raise InvalidInput(
            "a comparison needs 2 questions, 1 seed, 1 draw and 2 arms at least, got "
            f"{questions}, {seeds}, {draws} and {arms}"
        )
    if draws < 2:
        return math.inf
    drawn = prior.draw**2 + prior.training**2
    if seeds == 1:  # the draws stand in: one estimate for both arms
        units = [Spread(drawn + drawn / draws, draws - 1)]
    else:
        trained = Spread(prior.training**2 / seeds, (arms - 1) * (seeds - 1))
        units = [Spread(drawn / draws, draws - 1), trained]
    parts = [Spread(prior.question**2 / questions, questions - 1), *units]
    variance, freedom = sum(part.variance for part in parts), satterthwaite(parts)
    error = (1 - level) / (arms - 1)
    return (quantile(error, freedom) + quantile(2 * (1 - AIM), freedom)) * math.sqrt(variance)


def further_trainings(
    arms: Sequence[Arm], arm: str, control: str, *, error: float, worthwhile: float
) -> Further | None:
    """The least that would tell the arm from the control, or that its gain is below ``worthwhile``.

    Supposes that the difference and the noise stay as they are. More trainings are those of both arms; where
    it is to be shown that nothing is worthwhile, of every arm. None where nothing below MOST_MORE and
    MOST_QUESTIONS would do.
    """
    noise, named = Noise(arms), {each.name: each for each in arms}
    pair = (named[arm], named[control])
    parts = parts_of(*pair, noise)
    if not parts.known:
        return _repetitions(pair, noise)
    family = len(arms) - 1
    for more in range(1, MOST_MORE + 1):
        half = _half(_with_units(parts, pair, more), error / family)
        if parts.value - half > 0:
            return Further(2 * more, None)
        if parts.value + half <= worthwhile:
            return Further(len(arms) * more, None)
    count = len(pair[0].means)
    for tenths in range(1, 10 * (MOST_QUESTIONS - 1) + 1):
        more = math.ceil(count * tenths / 10)
        half = _half(_with_questions(parts, (count + more) / count), error / family)
        if parts.value - half > 0 or parts.value + half <= worthwhile:
            return Further(None, more)
    return None


def _repetitions(pair: tuple[Arm, Arm], noise: Noise) -> Further:
    """What makes the noise known at all: a second draw of a random arm, a second training of another."""
    missing = {arm.drawn for arm in pair if not noise.of(arm).freedom}
    return Further(len(missing), None)


def _half(parts: Parts, error: float) -> float:
    variance = parts.variance()
    return quantile(error, parts.freedom()) * math.sqrt(variance) if variance > 0 else 0.0


def _with_units(parts: Parts, pair: tuple[Arm, Arm], more: int) -> Parts:
    """As if both arms had ``more`` units."""
    kept = [len(arm.units) / (len(arm.units) + more) for arm in pair]
    units = [
        Spread(part.variance * share, part.freedom + more)
        for part, share in zip(parts.units, kept, strict=True)
    ]
    residuals = [residual * share for residual, share in zip(parts.residuals, kept, strict=True)]
    gone = sum(parts.residuals) - sum(residuals)
    return replace(
        parts,
        questions=Spread(max(0.0, parts.questions.variance - gone), parts.questions.freedom),
        residuals=(residuals[0], residuals[1]),
        units=(units[0], units[1]),
    )


def _with_questions(parts: Parts, times: float) -> Parts:
    """As if there were so many times the questions; the noise of trainings stays."""
    count = round((parts.questions.freedom + 1) * times)
    return replace(parts, questions=Spread(parts.questions.variance / times, count - 1))
