"""From an adapter back to every record: its training, and those of the adapters that it was trained on."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.kit.json import Json
from store.models import adapters
from store.tables.data import Model
from store.tables.loops import LoopStep
from store.tables.states import PREFIX, JobKind


@dataclass(frozen=True, slots=True)
class Training:
    """One training on the way to a model, and the step of a loop or comparison that it was, if any."""

    model: Model
    step: LoopStep | None

    @property
    def base_model(self) -> str:
        """The allow-listed model below all adapters."""
        return self.model.base_model

    @property
    def records(self) -> int:
        """How many records it learnt from."""
        known = self.model.lineage.get("records", 0)
        return len(known) if isinstance(known, list) else int(known)  # older rows hold them all


class Learnt(TypedDict):
    """A record that a training learnt."""

    id: str
    content_hash: str
    repeats: NotRequired[int | None]
    """How often each epoch showed it; earlier releases did not store it."""


class LearntRecord(Learnt):
    """The same, and by which model."""

    model_id: str


class StepOf(TypedDict):
    """The step that a training was."""

    loop: dict[str, str | int] | None
    comparison: NotRequired[dict[str, str | int]]


def trace(session: Session, tenant_id: str, model_id: str) -> list[Training]:
    """The trainings that led to a model, the first one first; raises NotFound."""
    found: list[Training] = []
    wanted: str | None = model_id
    while wanted is not None:
        model = adapters.get(session, tenant_id, wanted)
        found.append(Training(model, _step(session, model.training_id)))
        wanted = model.lineage.get("parent_model_id")
    return found[::-1]


def summary(training: Training) -> Json:
    """What the model of one training was made of, but for its records."""
    known = {name: value for name, value in training.model.lineage.items() if name != "artifacts"}
    model = training.model
    return {
        **known,
        "model_id": model.id,
        "training_id": model.training_id,
        "records": training.records,
        **_named(training.step),
    }


def records(artifacts: Artifacts, trainings: list[Training], *, after: int, limit: int) -> list[LearntRecord]:
    """Each record, training by training; `after` are passed over."""
    found: list[LearntRecord] = []
    for training in trainings:
        wanted = min(limit - len(found), training.records - after)
        if wanted > 0:
            rows = _rows(artifacts, training.model, after, wanted)
            found += [{"model_id": training.model.id, **row} for row in rows]
        after = max(0, after - training.records)
    return found


def _rows(artifacts: Artifacts, model: Model, after: int, limit: int) -> list[Learnt]:
    inline = model.lineage.get("records")
    if isinstance(inline, list):
        return inline[after : after + limit]
    place = model.lineage["artifacts"]["records"]
    rows: list[Learnt] = artifacts.get_table(place["path"], place["sha256"]).slice(after, limit).to_pylist()
    return rows


def _step(session: Session, training_id: str) -> LoopStep | None:
    return session.scalar(select(LoopStep).where(LoopStep.job_id == training_id))


def _named(step: LoopStep | None) -> StepOf:
    """Of a comparison the number of the training, of a loop the round."""
    if step is None:
        return {"loop": None}
    if step.loop_id.startswith(PREFIX[JobKind.COMPARISON]):
        return {"loop": None, "comparison": {"id": step.loop_id, "run": step.round, "step": step.step}}
    return {"loop": {"id": step.loop_id, "round": step.round, "step": step.step}}
