"""What a comparison can afford, and which gain it will see. Pure: settings and costs in, settings out.

The budget goes to those trainings that see the smallest gain. The least is what sees the largest gain that is
possible at all: with a single repetition the noise is hardly known, and no interval could exclude anything.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapreplace
from itertools import chain

from evoselect.spec.comparison import BEST_HIGH, WHOLE, ComparisonArm, ComparisonSpec, Measure
from evoselect.verdicts.planning import ACCURACY, CROSS_ENTROPY, detectable_gain
from store.comparisons.costs import Costs
from store.comparisons.plan import MINUTE, by_rungs, rungs
from store.comparisons.table import unit_of
from store.errors import Invalid

FEWEST_DRAWS = 2
MOST_GAIN = {"points": 1.0, "nats": 5.0}
"""No method gains more over a random draw: all answers right in place of none, or some nats."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Seconds of one worker by what they go to, and of the clock."""

    features: float
    select: float
    train: float
    evaluate: float
    clock: float
    """All of it, with as many workers as there are."""

    @property
    def minutes(self) -> float:
        """Of the clock."""
        return self.clock / MINUTE


def spending(spec: ComparisonSpec, costs: Costs) -> Spending:
    """Of the whole comparison, where nothing ends it earlier."""
    selections = sum(spec.runs(arm) if arm.drawn else 1 for arm in spec.compared if arm.method != WHOLE)
    each = {arm.name: costs.whole if arm.method == WHOLE else costs.training for arm in spec.compared}
    select, rounds = selections * costs.selection, _rounds(spec)
    clock = (_clock((each[name] + costs.evaluation for name in names), costs.workers) for names in rounds)
    return Spending(
        features=costs.features,
        select=select,
        train=sum(each[name] for names in rounds for name in names),
        evaluate=spec.planned_trainings * costs.evaluation,
        clock=costs.features / costs.workers + select + sum(clock),
    )


def _rounds(spec: ComparisonSpec) -> list[list[str]]:
    """Arms that are trained beside each other, each as often as it is named; a round waits for the last."""
    rounds = [[arm.name for arm, _ in rung] for rung in rungs(spec, spec.compared)]
    return rounds if by_rungs(spec) else [list(chain.from_iterable(rounds))]


def _clock(seconds: Iterable[float], workers: int) -> float:
    """Until the last is done, where each begins as soon as a worker is free."""
    free = [0.0] * workers
    for each in seconds:
        heapreplace(free, free[0] + each)
    return max(free)


def gain(spec: ComparisonSpec, measure: Measure, questions: int) -> float:
    """The gain over random that is seen with probability 0.8, as a share or in nats."""
    prior = ACCURACY if measure in BEST_HIGH else CROSS_ENTROPY
    draws = max(spec.draws, spec.seeds)
    arms = len(spec.compared)
    return detectable_gain(questions=questions, seeds=spec.seeds, draws=draws, arms=arms, prior=prior)


def afforded(
    spec: ComparisonSpec, costs: Costs, measure: Measure, questions: int, *, whole: bool
) -> ComparisonSpec:
    """The settings with every arm, and as many trainings as the budget has room for.

    `whole`: whether a training on the whole pool may join the arms of the default. Raises Invalid where not
    even the least fits.
    """
    full = spec.model_copy(update={"arms": spec.compared})
    if spec.arms is None and whole and (spec.minutes is not None or spec.trainings is not None):
        wider = full.model_copy(update={"arms": (*spec.compared, ComparisonArm.model_validate(WHOLE))})
        if _fits(wider, costs):
            return wider
    if _fits(full, costs):
        return full
    smaller = _plans(full, measure, questions)
    fitting = [one for one in smaller if _fits(one, costs)]
    if not fitting:
        raise _too_small(min(smaller, key=lambda one: spending(one, costs).minutes), costs)
    return min(fitting, key=lambda one: (gain(one, measure, questions), one.planned_trainings))


def _plans(spec: ComparisonSpec, measure: Measure, questions: int) -> list[ComparisonSpec]:
    """Ways to train at most so often that see a gain that is possible; the whole where none does."""
    ways = [
        spec.model_copy(update={"seeds": seeds, "draws": draws})
        for seeds in range(1, spec.seeds + 1)
        for draws in range(max(FEWEST_DRAWS, seeds), max(spec.draws, spec.seeds) + 1)
    ]
    most = MOST_GAIN[unit_of(measure)]
    return [way for way in ways if gain(way, measure, questions) < most] or ways[-1:]


def _fits(spec: ComparisonSpec, costs: Costs) -> bool:
    room = spec.trainings is None or spec.planned_trainings <= spec.trainings
    return room and (spec.minutes is None or spending(spec, costs).minutes <= spec.minutes)


def _too_small(least: ComparisonSpec, costs: Costs) -> Invalid:
    """What the least that can be judged takes."""
    count, minutes = least.planned_trainings, math.ceil(spending(least, costs).minutes)
    workers = "one worker" if costs.workers == 1 else f"{costs.workers} workers"
    needed = f"{len(least.compared)} arms need {count} trainings, about {minutes} min of {workers}"
    if least.trainings is not None and least.trainings < count:
        return _refused(f"trainings is {least.trainings}", needed, "trainings")
    return _refused(f"minutes is {least.minutes:g}", needed, "minutes")


def _refused(given: str, needed: str, field: str) -> Invalid:
    return Invalid(
        f"{given}, too little for any verdict: {needed}: ask for that, or compare fewer arms",
        code="budget_too_small",
        pointer=f"/{field}",
    )
