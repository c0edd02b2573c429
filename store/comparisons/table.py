"""What a comparison came to, as clients read it: a row for each arm, with the jobs of its steps. Pure."""

from collections.abc import Mapping
from typing import Any

from evoselect.spec.comparison import BEST_HIGH, ComparisonArm
from evoselect.verdicts.differences import Difference
from evoselect.verdicts.judge import Row, Unit, Verdict
from store.comparisons import plan as comparison_plan
from store.comparisons.plan import STEPS, Key, State
from store.jobs.requests import ComparisonWork
from store.jobs.results import Trained
from store.kit.json import Json
from store.tables.jobs import Job
from store.tables.states import JobStatus


def unit_of(measure: str) -> Unit:
    """What differences of the measure are told in."""
    return "points" if measure in BEST_HIGH else "nats"


def of_verdict(
    asked: ComparisonWork, state: State, steps: Mapping[Key, Job], found: Verdict, *, n: int
) -> Json:
    """The result of a comparison on n questions, so far."""
    unit = unit_of(asked.measure)
    return {
        "measure": asked.measure,
        "unit": unit,
        "questions": n,
        "evaluations": len(state.measured),
        "out": sorted(state.out),
        "verdict": {
            "kind": found.outcome,
            "arm": found.arm,
            "leader": found.leader,
            "gain": found.gain,
            "interval": _interval(found.low, found.high),
            "further_trainings": found.further_trainings,
            "interim": found.planned is not None,
            "sentence": found.sentence(unit),
        },
        "arms": rows(asked, state, steps, {row.arm: row for row in found.rows}),
    }


def rows(
    asked: ComparisonWork, state: State, steps: Mapping[Key, Job], judged: Mapping[str, Row]
) -> list[Json]:
    """One for each arm: those that were judged by falling mean, then the others in their order.

    An arm that selected the rows of another one has its numbers.
    """
    same = comparison_plan.twins(asked.spec, state.picked)
    fallen = comparison_plan.faulty(asked.spec, state.statuses)
    order = [*judged, *same]
    arms = sorted(asked.spec.compared, key=lambda arm: _place(same.get(arm.name, arm.name), order))
    return [
        {
            "name": arm.name,
            "method": arm.method,
            **_numbers(judged.get(same.get(arm.name, arm.name)), asked.measure),
            "same_as": same.get(arm.name),
            "stopped": arm.name in state.out,
            "error": _error(steps, fallen.get(arm.name)),
            **_ids(arm, steps),
        }
        for arm in arms
    ]


def _place(name: str, order: list[str]) -> int:
    return order.index(name) if name in order else len(order)


def _numbers(row: Row | None, measure: str) -> Json:
    """Gains are better where they are higher; the mean is the measure's own."""
    names = ("trainings", "mean", "against_random", "against_leader")
    if row is None:
        return dict.fromkeys(names) | {"trainings": 0}
    mean = row.mean if measure in BEST_HIGH else -row.mean
    told = (row.trainings, mean, _told(row.against_control), _told(row.against_leader))
    return dict(zip(names, told, strict=True))


def _told(found: Difference | None) -> Json | None:
    if found is None:
        return None
    return {"gain": found.value, "interval": _interval(found.low, found.high), "p_value": found.p}


def _interval(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [low, high]


def _error(steps: Mapping[Key, Job], key: Key | None) -> Json | None:
    """Why an arm fell."""
    if key is None:
        return None
    job = steps[key]
    cancelled = {"code": "step_cancelled", "detail": f"{job.kind} {job.id} is {job.status}"}
    return job.error or cancelled


def _ids(arm: ComparisonArm, steps: Mapping[Key, Job]) -> Json:
    """The jobs of its steps, in the order of its runs, and the models that were made."""
    own: dict[str, list[Any]] = {step: [] for step in STEPS}
    models = []
    for key in sorted(key for key in steps if key.arm == arm.name):
        own[key.step].append(steps[key].id)
        if key.step == "train" and steps[key].status == JobStatus.COMPLETED:
            models.append(Trained.of(steps[key].result).model_id)
    return {
        "selection_ids": own["select"],
        "training_ids": own["train"],
        "model_ids": models,
        "evaluation_ids": own["evaluate"],
    }
