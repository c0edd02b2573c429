"""How often simulated comparisons of eight arms say what is so, and what stopping early spares."""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.comparison.world import World
from evoselect.verdicts.arms import Arm
from evoselect.verdicts.halving import stop
from evoselect.verdicts.judge import Verdict, judge
from evoselect.verdicts.planning import Prior, detectable_gain

RIVALS = [f"arm-{number}" for number in range(7)]
SEEDS = 6  # trainings planned for each arm, and draws of the control
WORLD = World()
BEST = RIVALS[3]


def numbers(runs: int) -> dict[str, Any]:
    """Shares of ``runs`` comparisons each: without a gain, with twice the detectable one, and with that."""
    prior = Prior(question=0.2, training=WORLD.training, draw=WORLD.draw)
    gain = detectable_gain(WORLD.questions, SEEDS, SEEDS, len(RIVALS) + 1, prior=prior)
    none = [_compared(0.0, seed) for seed in range(runs)]
    large = [_compared(2 * gain, runs + seed) for seed in range(runs)]
    least = [_whole(gain, 2 * runs + seed) for seed in range(runs)]
    planned = SEEDS * (len(RIVALS) + 1)
    return {
        "runs": runs,
        "detectable_gain": round(gain, 4),
        "false_verdicts": share([halved.outcome == "use" for _, halved, _ in none]),
        "false_verdicts_whole": share([whole.outcome == "use" for whole, _, _ in none]),
        "right_verdicts": share([_right(halved) for _, halved, _ in large]),
        "right_verdicts_whole": share([_right(whole) for whole, _, _ in large]),
        "trainings_saved": round(1 - float(np.mean([used for _, _, used in large])) / planned, 4),
        "trainings_saved_without_a_gain": round(
            1 - float(np.mean([used for _, _, used in none])) / planned, 4
        ),
        "best_stopped": share(
            [row.stopped for _, halved, _ in large for row in halved.rows if row.arm == BEST]
        ),
        "detected": share([_right(whole) for whole in least]),
    }


def _right(verdict: Verdict) -> bool:
    return verdict.outcome == "use" and verdict.arm == BEST


def share(found: list[bool]) -> float:
    """Of what is so."""
    return round(float(np.mean(found)), 4)


def _whole(gain: float, seed: int) -> Verdict:
    return judge(_arms(gain, seed))


def _arms(gain: float, seed: int) -> list[Arm]:
    gains = {name: gain if name == BEST else 0.0 for name in RIVALS}
    return WORLD.arms(gains, SEEDS, SEEDS, np.random.default_rng(seed))


def _compared(gain: float, seed: int) -> tuple[Verdict, Verdict, int]:
    """Verdicts with all trainings and with arms stopped early, and how many those took."""
    arms = _arms(gain, seed)
    halved = halve(arms, SEEDS)
    return judge(arms), judge(halved), sum(len(arm.trainings) for arm in halved)


def halve(arms: list[Arm], planned: int) -> list[Arm]:
    """The arms as rounds of one training each leave them, with a look after each but the last."""
    last = {arm.name: planned for arm in arms}
    for done in range(1, planned):
        seen = [
            replace(
                arm, trainings=arm.trainings[: min(done, last[arm.name])], stopped=last[arm.name] < planned
            )
            for arm in arms
        ]
        last |= dict.fromkeys(stop(seen, looks=planned - 1), done)
    return [
        replace(arm, trainings=arm.trainings[: last[arm.name]], stopped=last[arm.name] < planned)
        for arm in arms
    ]
