"""What is compared: arms, their trainings, and the score of every question after each training."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from evoselect.errors import InvalidInput

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """One training and its evaluation."""

    seed: int
    values: Floats  # (questions,), higher is better: 0 or 1 for accuracy, minus the cross-entropy in nats
    draw: int = 0
    """Which draw of a random arm was trained on: trainings of a draw share their examples."""


@dataclass(frozen=True)
class Arm:
    """A way to choose examples, and its trainings so far."""

    name: str
    trainings: Sequence[Training]
    drawn: bool = False
    """Whether it is random, so that another draw has other examples: the draws are what it is known by."""
    stopped: bool = False
    """Whether it was given up before all of its trainings were done."""

    @cached_property
    def units(self) -> Floats:
        """Independent repetitions, (units, questions).

        Of a random arm its draws, each the mean of its trainings; of any other its trainings.
        """
        if not self.drawn:
            return np.stack([training.values for training in self.trainings])
        draws = sorted({training.draw for training in self.trainings})
        return np.stack([self._of_draw(draw).mean(0) for draw in draws])

    @cached_property
    def repeats(self) -> list[Floats]:
        """Trainings on the same examples, each (trainings, questions): what differs is their noise alone."""
        if not self.drawn:
            return [self.units]
        return [self._of_draw(draw) for draw in sorted({training.draw for training in self.trainings})]

    @cached_property
    def means(self) -> Floats:
        """Of every question over the units, (questions,)."""
        found: Floats = self.units.mean(0)
        return found

    def _of_draw(self, draw: int) -> Floats:
        return np.stack([training.values for training in self.trainings if training.draw == draw])


def check(arms: Sequence[Arm], control: str) -> None:
    """Raises InvalidInput for arms that cannot be compared."""
    names = [arm.name for arm in arms]
    if len(arms) < 2:
        raise InvalidInput(f"a comparison needs two arms, got {names}: add one")
    if len(set(names)) < len(names):
        raise InvalidInput(f"arms need names of their own, got {names}")
    if control not in names:
        raise InvalidInput(f"the control {control!r} is none of the arms {names}")
    sizes: dict[str, tuple[int, ...]] = {}
    for arm in arms:
        if not arm.trainings:
            raise InvalidInput(f"arm {arm.name!r} has no training yet: judge when each arm has one")
        for training in arm.trainings:
            if not np.isfinite(training.values).all():
                raise InvalidInput(
                    f"arm {arm.name!r}, seed {training.seed} has a score that is not finite: leave such "
                    "questions out of every arm"
                )
            sizes[f"{arm.name}, seed {training.seed}"] = training.values.shape
    if len(set(sizes.values())) > 1 or len(next(iter(sizes.values()))) != 1:
        raise InvalidInput(f"each training needs (questions,) values of the same questions, got {sizes}")
    if next(iter(sizes.values()))[0] < 2:
        raise InvalidInput("one question has no spread: evaluate on two at least, better on 100 and more")
