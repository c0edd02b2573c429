"""What comes next in a loop. Pure: what has ended so far in, names of steps and verdicts out.

    select -> train -> evaluate                              the arm that EvoSelect selects for
         \\-> random.select -> random.train -> random.evaluate    beside it, where it is wanted

The random arm's selection follows the other one, whose features it finds in the cache.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoselect.spec.loop import LoopSpec
from store.kit.json import Json
from store.loops.results import Verdict
from store.tables.states import JobStatus

STEPS = ("select", "train", "evaluate")
SELECTED, RANDOM = "selected", "random"
LOSSES = ("choice_cross_entropy", "answer_nll")
"""What an arm is judged by, lower is better: the first that its evaluation has."""


def arms(spec: LoopSpec) -> tuple[str, ...]:
    """The arms of every round."""
    return (SELECTED, RANDOM) if spec.random_arm else (SELECTED,)


def step_name(arm: str, step: str) -> str:
    """The step's name among those of its round."""
    return step if arm == SELECTED else f"{arm}.{step}"


def due(spec: LoopSpec, statuses: Mapping[str, str]) -> list[tuple[str, str]]:
    """(arm, step) that can begin; `statuses` has those of the round's steps so far, by name."""
    found = []
    for arm in arms(spec):
        if arm == RANDOM and statuses.get("select") != JobStatus.COMPLETED:
            continue
        for step in STEPS:
            status = statuses.get(step_name(arm, step))
            if status is None:
                found.append((arm, step))
            if status != JobStatus.COMPLETED:
                break
    return found


def is_over(spec: LoopSpec, statuses: Mapping[str, str]) -> bool:
    """Whether every arm of the round is evaluated."""
    return all(statuses.get(step_name(arm, "evaluate")) == JobStatus.COMPLETED for arm in arms(spec))


def verdict(evaluations: Mapping[str, Json]) -> Verdict:
    """The loss that counts, and the selected arm's gain over the random one; by arm their evaluations."""
    mine = evaluations[SELECTED]
    loss = next((name for name in LOSSES if mine.get(name) is not None), None)
    other = evaluations.get(RANDOM, {}).get(loss) if loss else None
    gain = None if loss is None or other is None else float(other) - float(mine[loss])
    return Verdict(loss=loss, gain=gain)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a loop has used so far."""

    seconds: float = 0.0
    trained_examples: int = 0
    generated_tokens: int = 0
    cost: float = 0.0


def stop_reason(spec: LoopSpec, gains: Sequence[float | None], spent: Spent) -> str | None:
    """Why no further round is begun, None to go on; `gains` has that of each round so far, in order."""
    patience = spec.stop.patience
    if len(gains) >= spec.rounds:
        return "rounds"
    least = spec.stop.min_gain
    if patience and len(gains) >= patience and not any(_is_gain(gain, least) for gain in gains[-patience:]):
        return "no_gain"
    for name in ("seconds", "trained_examples", "generated_tokens", "cost"):
        most = getattr(spec.stop, name)
        if most is not None and getattr(spent, name) >= most:
            return f"budget_{name}"
    return None


def _is_gain(gain: float | None, least: float) -> bool:
    """A round in which nothing could be compared counts as a gain: it says nothing against going on."""
    return gain is None or gain > least
