"""What the health of a round warns of. Pure; the thresholds are ours.

collapse        candidates, or selected ones, are less than NARROW times as diverse as so many target rows; or
                less diverse than those, and less than FELL times what they were in the first round; below
                LEAST_ROWS rows nothing is said
template        at least TEMPLATE of them begin with the same words, and TWICE the share of the target
length_drift    the median answer of what is selected is TWICE as long as the target's, or half as long; of a
                pool made for several tasks the candidates' is so all the time, and the selection mends it
tiny_target     more than SERVED candidates are selected for a target example, or there are below LEAST_TARGET
verifier_blind  its scores hardly tell the target's answers from swapped ones (below TELLING)
verifier_strict it would let less than LENIENT of the target's own examples be selected
forgetting      the guard's loss lies above the interval of the base model's
"""

import math
from collections.abc import Iterator

from evoselect.spec.loop import LoopSpec
from store.jobs.results import Health, SideHealth
from store.loops.plan import SELECTED
from store.loops.results import Guard, HealthWarning, RoundHealth, Verified

NARROW = 0.5
FELL = 0.75
LEAST_ROWS = 8
TEMPLATE = 0.5
TWICE = 2.0
SERVED = 10
LEAST_TARGET = 30
TELLING = 0.6  # area under the ROC curve; 0.5 is chance
LENIENT = 0.75


def of_round(
    number: int, found: Health, spec: LoopSpec, *, first: RoundHealth | None, generated_share: float
) -> RoundHealth:
    """The health of a round, beside that of the first one (None: this is it, or it has none)."""
    sides = {"candidates": found.candidates, SELECTED: found.selected}
    before = {} if first is None else {"candidates": first.candidates, SELECTED: first.selected}
    warnings: list[HealthWarning] = []
    for name, side in sides.items():
        warnings += _of_side(name, side, before.get(name), found)
    warnings += _of_target(found, spec) if number == 1 else ()
    return RoundHealth(
        candidates=found.candidates,
        selected=found.selected,
        target_rows=found.target_rows,
        target_opening_share=found.target_opening_share,
        generated_share=generated_share,
        warnings=tuple(warnings),
    )


def needed_target(spec: LoopSpec, k: int) -> int:
    """Target examples that would do for k selected in each round: at most SERVED for each example."""
    return max(LEAST_TARGET, math.ceil(spec.rounds * k / SERVED))


def _of_side(
    name: str, side: SideHealth, before: SideHealth | None, found: Health
) -> Iterator[HealthWarning]:
    if min(side.rows, found.target_rows) < LEAST_ROWS:
        return
    least = max(NARROW, 0.0 if before is None else min(1.0, FELL * before.diversity))
    if side.diversity < least:
        earlier = "" if before is None else f", {before.diversity:.2f} in round 1"
        yield _warning(
            "collapse",
            f"{name} are {side.diversity:.2f} times as diverse as an equal number of target examples"
            f"{earlier}: show the generator more examples, mix real rows in (anchor_share), or stop",
        )
    if side.opening_share >= TEMPLATE and side.opening_share >= TWICE * found.target_opening_share:
        yield _warning(
            "template",
            f"{side.opening_share:.0%} of the {name} begin with the same words, "
            f"{found.target_opening_share:.0%} of the target: ask for more variety",
        )
    if name == SELECTED and side.length_ratio is not None and not 1 / TWICE < side.length_ratio < TWICE:
        yield _warning(
            "length_drift",
            f"the median answer of the {name} is {side.length_ratio:.2f} times the target's length",
        )


def _of_target(found: Health, spec: LoopSpec) -> Iterator[HealthWarning]:
    needed = needed_target(spec, found.selected.rows)
    if found.target_rows < needed:
        yield _warning(
            "tiny_target",
            f"the target has {found.target_rows} examples for {spec.rounds} rounds of "
            f"{found.selected.rows}: {needed} would do",
        )


def of_verifier(found: Verified | None) -> Iterator[HealthWarning]:
    """Of what it made of the target's own examples; nothing where it was not tried on them."""
    if found is not None and found.auc is not None and found.auc < TELLING:
        yield _warning(
            "verifier_blind",
            f"the verifier ranks a target example's answer above a swapped one in {found.auc:.0%} of pairs, "
            "chance has 50%: change the rubric or the model",
        )
    if found is not None and found.own_share is not None and found.own_share < LENIENT:
        yield _warning(
            "verifier_strict",
            f"the verifier would let {found.own_share:.0%} of the target's own examples be selected: "
            "change what it asks for, or lower selection.least_quality",
        )


def of_guard(guard: Guard | None) -> Iterator[HealthWarning]:
    """Of what the round has done to the guard's examples."""
    if guard is None or guard.base_interval is None or guard.value <= guard.base_interval[1]:
        return
    yield _warning(
        "forgetting",
        f"{guard.loss} on the guard's examples is {guard.value:.4f}, "
        f"the base model's {guard.base:.4f} "
        f"({guard.base_interval[0]:.4f} to {guard.base_interval[1]:.4f}): mix other rows in, or train less",
    )


def _warning(code: str, detail: str) -> HealthWarning:
    return HealthWarning(code=code, detail=detail)
