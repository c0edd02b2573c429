"""Trainings made from known noise."""

import numpy as np

from evoselect.verdicts.arms import Arm, Floats, Training


def arm(name: str, means: Floats, source: np.random.Generator, **noise: float) -> Arm:
    """Of a fixed selection: ``seeds`` trainings around ``means`` (questions,).

    With noise of a ``training`` and of a ``question`` in it.
    """
    seeds = int(noise.get("seeds", 2))
    return Arm(name, [Training(seed, means + _noise(len(means), source, noise)) for seed in range(seeds)])


def random_arm(means: Floats, source: np.random.Generator, **noise: float) -> Arm:
    """The control, named random: ``draws`` draws with noise of their own around ``means`` (questions,)."""
    trainings = []
    for number in range(int(noise.get("draws", 3))):
        of_draw = means + source.normal(0, noise.get("draw", 0.0))
        trainings += [
            Training(seed, of_draw + _noise(len(means), source, noise), number)
            for seed in range(int(noise.get("seeds", 1)))
        ]
    return Arm("random", trainings, drawn=True)


def _noise(questions: int, source: np.random.Generator, noise: dict[str, float]) -> Floats:
    whole = source.normal(0, noise.get("training", 0.0))
    return whole + source.normal(0, noise.get("question", 0.0), questions)
