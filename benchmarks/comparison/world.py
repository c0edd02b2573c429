"""Answers of simulated trainings: a question is answered right with the probability of a probit model.

P = Phi(ease of the question + how the arm likes it + what the arm gains + noise of the draw + noise of the
training). Answers are 0 or 1. Noise is given as what it does to the accuracy, in shares.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import ndtr

from evoselect.verdicts.arms import Arm, Floats, Training

EASE = 1.0  # standard deviation over questions of the probit of a right answer


@dataclass(frozen=True, slots=True)
class World:
    """How questions, arms and trainings differ."""

    questions: int = 200
    liking: float = 0.7
    """Standard deviation of an arm's own probit of a question: shares of 0.2, as planning supposes."""
    training: float = 0.07
    draw: float = 0.03
    """Of the accuracy."""

    def arms(self, gains: dict[str, float], seeds: int, draws: int, source: np.random.Generator) -> list[Arm]:
        """A random control of ``draws`` draws of a training each, and arms of ``seeds`` trainings."""
        ease = source.normal(0, EASE, self.questions)
        control = Arm("random", self._trainings(ease, 0.0, (draws, self._both), source), drawn=True)
        return [control] + [
            Arm(name, self._trainings(ease, gain, (seeds, self.training), source))
            for name, gain in gains.items()
        ]

    @property
    def _both(self) -> float:
        return float(np.hypot(self.training, self.draw))

    def _trainings(
        self, ease: Floats, gain: float, noise: tuple[int, float], source: np.random.Generator
    ) -> list[Training]:
        count, spread = noise
        scale = float(np.sqrt(1 + EASE**2 + self.liking**2))  # probits to the probit of the accuracy
        own = ease + source.normal(0, self.liking, self.questions)
        slope = NormalDist().pdf(0) / scale  # of the accuracy by the probit, at one half
        shift = scale * NormalDist().inv_cdf(0.5 + gain)
        found = []
        for number in range(count):
            right = ndtr(own + shift + source.normal(0, spread) / slope)
            values = (source.uniform(size=self.questions) < right).astype(np.float64)
            found.append(Training(number, values, number))
        return found
