"""Arms that are worse beyond doubt stop early: a sequential test with a stated error.

The best arm is stopped at any look with probability (1 - level) at most: it can be stopped by each of the
other arms at each look, and every such test has the error (1 - level) / (looks * (arms - 1)), one-sided (the
union bound over looks and arms). The test is the paired difference of evoselect.verdicts.differences. This is
successive halving (Jamieson and Talwalkar 2016) with a test in the place of the half.
"""

from collections.abc import Sequence

from evoselect.errors import InvalidInput
from evoselect.verdicts.arms import Arm, check
from evoselect.verdicts.differences import Noise, p_value, parts_of


def stop(arms: Sequence[Arm], looks: int, control: str = "random", level: float = 0.95) -> list[str]:
    """Names of the arms to give up now, in the order given; never the control, never one that was stopped.

    ``arms`` are all of the comparison, stopped ones too. ``looks`` is how often this is asked in all: with
    one look after each round of trainings but the last, the trainings planned for an arm less one. Raises
    InvalidInput.
    """
    check(arms, control)
    if looks < 1:
        raise InvalidInput(
            f"looks must be 1 at least, got {looks}: with one training an arm nothing is stopped"
        )
    noise = Noise(arms)
    means = {arm.name: arm.means.mean() for arm in arms}
    running = [arm for arm in arms if not arm.stopped]
    error = (1 - level) / (looks * (len(arms) - 1))

    def worse(arm: Arm, other: Arm) -> bool:
        if means[arm.name] >= means[other.name]:
            return False
        parts = parts_of(arm, other, noise)
        return parts.known and p_value(parts) / 2 <= error

    return [
        arm.name
        for arm in running
        if arm.name != control and any(worse(arm, other) for other in running if other is not arm)
    ]
