"""How often a comparison that is looked at after each training names an arm before its end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.comparison.verdicts import share
from benchmarks.comparison.world import World
from evoselect.verdicts.arms import Arm
from evoselect.verdicts.judge import judge
from evoselect.verdicts.planning import Prior, detectable_gain

WORLD = World(questions=300)


@dataclass(frozen=True)
class Plan:
    """How many arms beside the control, and how often they are trained."""

    rivals: int
    seeds: int
    draws: int
    share: float
    """Of the runs that are asked for: a large plan has many looks."""

    @property
    def trainings(self) -> int:
        """Of all arms."""
        return self.rivals * self.seeds + self.draws

    @property
    def gain(self) -> float:
        """The detectable one."""
        prior = Prior(question=0.2, training=WORLD.training, draw=WORLD.draw)
        return detectable_gain(WORLD.questions, self.seeds, self.draws, self.rivals + 1, prior=prior)


PLANS = {  # the default of a comparison, and one with many looks
    "4 arms, 2 trainings, 3 draws": Plan(4, 2, 3, 1.0),
    "4 arms, 5 trainings, 5 draws": Plan(4, 5, 5, 0.5),
}
BEST = "arm-0"
LARGEST = 0.45  # gain in the model of answers, which begins at one half


def numbers(runs: int) -> dict[str, Any]:
    """Shares of ``runs`` comparisons of each plan."""
    return {"interim": {name: _of_plan(plan, round(plan.share * runs)) for name, plan in PLANS.items()}}


def _of_plan(plan: Plan, runs: int) -> dict[str, Any]:
    """None where no comparison named an arm early."""
    none = [_watched(plan, 0.0, seed) for seed in range(runs)]
    few = [_watched(plan, 0.0, seed, corrected=False) for seed in range(runs)]
    gain = min(2 * plan.gain, LARGEST)
    large = [_named(_watched(plan, gain, runs + seed)[:-1]) for seed in range(runs)]
    after = [number for names, number in large if names]
    return {
        "runs": runs,
        "gain": round(gain, 4),
        "false": share([bool(_named(looks[:-1])[0]) for looks in none]),
        "false_with_the_end": share([bool(_named(looks)[0]) for looks in none]),
        "false_uncorrected": share([bool(_named(looks[:-1])[0]) for looks in few]),
        "right": share([BEST in names for names, _ in large]),
        "other": share([bool(set(names) - {BEST}) for names, _ in large]),
        "after": round(float(np.mean(after)) / plan.trainings, 3) if after else None,
    }


def _named(looks: Sequence[str]) -> tuple[list[str], int]:
    """The arms that were named, and after how many trainings the first one was."""
    found = [(name, after) for after, name in enumerate(looks, 1) if name]
    return [name for name, _ in found], found[0][1] if found else 0


def _watched(plan: Plan, gain: float, seed: int, *, corrected: bool = True) -> list[str]:
    """The arm that is named after each training, "" where none is; the last look is the end's."""
    source = np.random.default_rng(seed)
    gains = {f"arm-{number}": gain if number == 0 else 0.0 for number in range(plan.rivals)}
    arms = WORLD.arms(gains, plan.seeds, plan.draws, source)
    looks = []
    for seen in _states(arms, source):
        if len(seen) < 2 or seen[0].name != "random":
            looks.append("")
            continue
        over = sum(len(arm.trainings) for arm in seen) == plan.trainings
        found = judge(seen, planned=None if over or not corrected else plan.trainings)
        looks.append(found.arm if found.outcome == "use" else "")
    return looks


def _states(arms: Sequence[Arm], source: np.random.Generator) -> Iterator[list[Arm]]:
    """The arms with what they have after each training; a round is in random order, as workers end it."""
    done = dict.fromkeys((arm.name for arm in arms), 0)
    for number in range(max(len(arm.trainings) for arm in arms)):
        begun = [arm for arm in arms if number < len(arm.trainings)]
        for at in source.permutation(len(begun)):
            done[begun[at].name] += 1
            yield [replace(arm, trainings=arm.trainings[: done[arm.name]]) for arm in arms if done[arm.name]]
