"""What comes next in a loop. Pure: what has ended so far in, names of steps and verdicts out.

    select -> train -> evaluate                              the arm that EvoSelect selects for
         \\-> random.select -> random.train -> random.evaluate    beside it, where it is wanted

The random arm's selection follows the other one, whose features it finds in the cache. Beside `evaluate` the
selected arm's model is measured on what must not be forgotten (`guard`), and on the target's own examples
where the next round's prompts show those that it fails on (`failures`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoselect.spec.loop import LoopSpec, OpenAIGenerator
from store.kit.json import Json
from store.loops.results import Guard, RoundResult, Verdict
from store.tables.states import JobStatus

STEPS = ("select", "train", "evaluate")
SELECTED, RANDOM = "selected", "random"
GUARD, FAILURES = "guard", "failures"
LOSSES = ("choice_cross_entropy", "answer_nll")
"""What an arm is judged by, lower is better: the first that its evaluation has."""


def arms(spec: LoopSpec) -> tuple[str, ...]:
    """The arms of every round."""
    return (SELECTED, RANDOM) if spec.random_arm else (SELECTED,)


def step_name(arm: str, step: str) -> str:
    """The step's name among those of its round."""
    return step if arm == SELECTED else f"{arm}.{step}"


def beside(spec: LoopSpec, number: int) -> tuple[str, ...]:
    """Steps of a round that measure the selected arm's model beside its evaluation."""
    generator = spec.generator
    shown = isinstance(generator, OpenAIGenerator) and generator.prompts_from == "failures"
    wanted = {GUARD: spec.guard_target_id is not None, FAILURES: shown and number < spec.rounds}
    return tuple(name for name, is_wanted in wanted.items() if is_wanted)


def due(spec: LoopSpec, number: int, statuses: Mapping[str, str]) -> list[tuple[str, str]]:
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
    if statuses.get("train") == JobStatus.COMPLETED:
        found += [(SELECTED, name) for name in beside(spec, number) if name not in statuses]
    return found


def is_over(spec: LoopSpec, number: int, statuses: Mapping[str, str]) -> bool:
    """Whether every arm of the round is evaluated, and what is measured beside."""
    ends = [*(step_name(arm, "evaluate") for arm in arms(spec)), *beside(spec, number)]
    return all(statuses.get(name) == JobStatus.COMPLETED for name in ends)


def loss_of(evaluation: Json) -> str | None:
    """The number of an evaluation that counts; None where it has none of them."""
    return next((name for name in LOSSES if evaluation.get(name) is not None), None)


def guard_of(evaluation_id: str, base: Json, measured: Json) -> Guard | None:
    """How the guard's examples fare beside the base model; None where nothing could be compared."""
    loss = loss_of(base)
    if loss is None or measured.get(loss) is None:
        return None
    interval = base.get("intervals", {}).get(loss)
    return Guard(
        evaluation_id=evaluation_id,
        loss=loss,
        base=base[loss],
        base_interval=interval,
        value=measured[loss],
    )


def best_of(rounds: Sequence[RoundResult]) -> tuple[int, bool]:
    """(place of the round with the least loss, whether it was chosen on one half of the examples alone)."""
    halves = [_half_loss(one) for one in rounds]
    split = all(value is not None for value in halves)
    losses = [
        _loss(one) if value is None or not split else value for one, value in zip(rounds, halves, strict=True)
    ]
    return min(range(len(losses)), key=losses.__getitem__), split


def _half_loss(one: RoundResult) -> float | None:
    """On the half that a best round is chosen on; None where there is no such number."""
    halves = one.arms[SELECTED].evaluation.get("halves")
    value = halves[0].get(one.loss) if halves and one.loss else None
    return None if value is None else float(value)


def _loss(one: RoundResult) -> float:
    return float(one.arms[SELECTED].evaluation[one.loss]) if one.loss else 0.0


def verdict(evaluations: Mapping[str, Json]) -> Verdict:
    """The loss that counts, and the selected arm's gain over the random one; by arm their evaluations."""
    mine = evaluations[SELECTED]
    loss = loss_of(mine)
    other = evaluations.get(RANDOM, {}).get(loss) if loss else None
    gain = None if loss is None or other is None else float(other) - float(mine[loss])
    return Verdict(loss=loss, gain=gain)


def generated_share(spec: LoopSpec, selected: int) -> float:
    """Of the rows that a round trains on; a pool's count as real, pushed ones as generated."""
    if spec.generator.kind == "pool":
        return 0.0
    return selected / (selected + spec.anchors(selected))


@dataclass(frozen=True, slots=True)
class Spent:
    """What a loop has used so far."""

    seconds: float = 0.0
    trained_examples: int = 0
    generated_tokens: int = 0
    cost: float = 0.0


def stop_reason(
    spec: LoopSpec, gains: Sequence[float | None], spent: Spent, guard: Guard | None = None
) -> str | None:
    """Why no further round is begun, None to go on; `gains` has that of each round so far, in order."""
    patience = spec.stop.patience
    if guard is not None and spec.stop.guard_rise is not None and guard.rise > spec.stop.guard_rise:
        return "forgetting"
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
