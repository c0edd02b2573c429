"""What comes next in a comparison. Pure: what has begun and ended so far in, steps to begin out.

    arm.select -> arm.train -> arm.evaluate        for each arm, and each of its trainings ("runs")

An arm that draws selects anew for each run; the others select once, which counts as run 0. The first arm with
some features selects before those that find them in the cache. Nothing is trained on before every arm has
selected, so that arms which select the same rows are trained on once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from evoselect.spec.comparison import MATCHED, WHOLE, ComparisonArm, ComparisonSpec
from evoselect.spec.features import FeatureSpec
from store.tables.states import TERMINAL, JobStatus

STEPS = ("select", "train", "evaluate")
MINUTE = 60.0  # seconds


class Key(NamedTuple):
    """A step: what no crash can begin twice."""

    run: int
    arm: str
    step: str

    @property
    def name(self) -> str:
        """Among the steps of its run."""
        return f"{self.arm}.{self.step}"


def key_of(run: int, name: str) -> Key:
    """The key of a stored step."""
    arm, _, step = name.rpartition(".")
    return Key(run, arm, step)


class Run(NamedTuple):
    """A training of an arm, with what comes before and after it."""

    arm: ComparisonArm
    run: int


@dataclass(frozen=True, slots=True)
class Picked:
    """What a completed selection picked."""

    digest: str
    """Equal where the same rows were picked as often."""
    tokens: int


@dataclass(frozen=True, slots=True)
class State:
    """Where a comparison stands."""

    statuses: Mapping[Key, str]
    """Of the jobs of all steps that have begun."""
    picked: Mapping[Key, Picked] = field(default_factory=dict)
    """By completed selection."""
    judged: int = 0
    """Evaluations that the last verdict knows."""
    interim: bool = False
    """Whether that verdict was made while more was to come."""
    out: frozenset[str] = frozenset()
    """Arms that are worse beyond doubt."""
    seconds: float = 0.0
    """Since the comparison was accepted."""
    pace: float = 0.0
    """Seconds of a training with its evaluation so far; those that ran beside each other shared them."""

    @property
    def measured(self) -> set[Key]:
        """Evaluations that are done."""
        return {key for key in self.statuses if key.step == "evaluate" and self.done(key)}

    def done(self, key: Key) -> bool:
        """Whether the step has its result."""
        return self.statuses.get(key) == JobStatus.COMPLETED

    def ended(self, key: Key) -> bool:
        """Whether nothing of the step goes on."""
        return self.statuses.get(key) in TERMINAL


@dataclass(frozen=True, slots=True)
class Course:
    """What follows from the state."""

    begin: Sequence[Key] = ()
    judge: bool = False
    """Whether evaluations have ended that no verdict knows, or it is over and the last verdict is interim."""
    end: str | None = None
    """Why the comparison is over: trained | decided | minutes | trainings | same_rows | failed."""


def course(spec: ComparisonSpec, state: State) -> Course:
    """What is to be done now."""
    measured = {key.arm for key in state.measured}
    news = len(state.measured) > state.judged and len(measured) > 1 and spec.baseline in measured
    begin, reason = _due(spec, state, judged=not news)
    waits = any(status not in TERMINAL for status in state.statuses.values())
    end = None if begin or waits or news else reason
    again = end is not None and state.interim
    return Course(begin, news or again, None if again else end)


def is_over(spec: ComparisonSpec, state: State) -> bool:
    """Whether a verdict on what is measured now is the last one."""
    return course(spec, replace(state, judged=len(state.measured), interim=False)).end is not None


def _due(spec: ComparisonSpec, state: State, *, judged: bool) -> tuple[list[Key], str | None]:
    """Steps that can begin, and why there will be none."""
    selecting = _selecting(spec, state)
    if selecting is not None:
        return selecting, None
    arms = live(spec, state)
    if len(arms) < 2 or spec.baseline in faulty(spec, state.statuses):
        return [], _too_few(spec, state)
    begin: list[Key] = []
    for rung in rungs(spec, arms):
        if not by_rungs(spec):
            begin += _steps(rung, state)
        elif not _is_begun(rung, state):
            reason = _limit(spec, state, len(rung))
            return (_steps(rung, state), None) if judged and reason is None else ([], reason)
        elif not all(state.done(Key(one.run, one.arm.name, "evaluate")) for one in rung):
            return _steps(rung, state), None
    return begin, "trained"


def _selecting(spec: ComparisonSpec, state: State) -> list[Key] | None:
    """First selections that can begin; None once all have ended."""
    wanted = [(arm, first_selection(arm)) for arm in spec.compared if arm.method != WHOLE]
    failed = faulty(spec, state.statuses)
    if all(state.ended(key) or arm.name in failed for arm, key in wanted):
        return None
    begin: list[Key] = []
    leaders: list[tuple[FeatureSpec, Key]] = []
    for arm, key in wanted:
        features = spec.features_of(arm)
        leader = next((first for known, first in leaders if known == features), None)
        if leader is None:
            leaders.append((features, key))
        guided = arm.method != MATCHED or _guide_is_done(spec, state)
        if key not in state.statuses and (leader is None or state.ended(leader)) and guided:
            begin.append(key)
    return begin


def _guide_is_done(spec: ComparisonSpec, state: State) -> bool:
    return spec.guide is not None and state.done(first_selection(spec.guide))


def _steps(rung: Sequence[Run], state: State) -> list[Key]:
    """The next step of each of these runs, where it has not begun."""
    begin = []
    for arm, run in rung:
        whole = arm.method == WHOLE
        line = ([] if whole else [selection_of(arm, run)]) + [Key(run, arm.name, step) for step in STEPS[1:]]
        following = next((key for key in line if not state.done(key)), None)
        if following is not None and following not in state.statuses:
            begin.append(following)
    return begin


def _is_begun(rung: Sequence[Run], state: State) -> bool:
    """Whether an arm has gone beyond what all of them select first."""
    keys = (Key(run, arm.name, step) for arm, run in rung for step in STEPS)
    return bool(state.statuses.keys() & {*keys} - {first_selection(arm) for arm, _ in rung})


def _limit(spec: ComparisonSpec, state: State, more: int) -> str | None:
    """What of the budget so many further trainings would exceed."""
    begun = sum(key.step == "train" for key in state.statuses)
    if spec.trainings is not None and begun + more > spec.trainings:
        return "trainings"
    if spec.minutes is not None and state.seconds + more * state.pace > spec.minutes * MINUTE:
        return "minutes"
    return None


def _too_few(spec: ComparisonSpec, state: State) -> str:
    """Why fewer than two arms are left."""
    apart = twins(spec, state.picked)
    sound = [arm.name for arm in spec.compared if arm.name not in faulty(spec, state.statuses)]
    if len(sound) < 2 or spec.baseline not in sound:
        return "failed"
    return "decided" if len([name for name in sound if name not in apart]) > 1 else "same_rows"


def live(spec: ComparisonSpec, state: State) -> list[ComparisonArm]:
    """Arms that are trained further: not ended, not worse beyond doubt, not the same as an earlier one."""
    without = {*faulty(spec, state.statuses), *twins(spec, state.picked), *state.out}
    return [arm for arm in spec.compared if arm.name not in without]


def twins(spec: ComparisonSpec, picked: Mapping[Key, Picked]) -> dict[str, str]:
    """Arms whose rows an earlier arm (or the baseline) selected too, and that arm."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for arm in sorted(spec.compared, key=lambda arm: arm.name != spec.baseline):
        own = picked.get(first_selection(arm))
        if own is not None and first.setdefault(own.digest, arm.name) != arm.name:
            found[arm.name] = first[own.digest]
    return found


def faulty(spec: ComparisonSpec, statuses: Mapping[Key, str]) -> dict[str, Key]:
    """Arms of which a step ended without a result, and that step; who needs its tokens falls with it."""
    found: dict[str, Key] = {}
    for key, status in statuses.items():
        if status in TERMINAL and status != JobStatus.COMPLETED:
            found.setdefault(key.arm, key)
    guide = None if spec.guide is None else found.get(spec.guide.name)
    if guide is not None and guide.step == "select":
        found = {arm.name: guide for arm in spec.compared if arm.method == MATCHED} | found
    return found


def first_selection(arm: ComparisonArm) -> Key:
    """The step that every training waits for."""
    return selection_of(arm, 1)


def selection_of(arm: ComparisonArm, run: int) -> Key:
    """The step that selects what a run trains on."""
    return Key(run if arm.drawn else 0, arm.name, "select")


def rungs(spec: ComparisonSpec, arms: Sequence[ComparisonArm]) -> list[list[Run]]:
    """As many as an arm has seeds, with a run of each arm in each.

    What is drawn more often is spread over them, the first have more: a rung of its own would leave workers
    without work, and two draws tell their noise.
    """
    ends = {
        arm.name: [-(-rung * spec.runs(arm) // spec.seeds) for rung in range(spec.seeds + 1)] for arm in arms
    }
    return [
        sorted(
            (Run(arm, run + 1) for arm in arms for run in range(*ends[arm.name][rung : rung + 2])),
            key=lambda one: one.run,
        )
        for rung in range(spec.seeds)
    ]


def by_rungs(spec: ComparisonSpec) -> bool:
    """Whether a rung ends before the next begins: where there may be no next one."""
    return spec.successive_halving or spec.minutes is not None or spec.trainings is not None
