"""What a job was asked to do: all that its workers read of it, kept as JSON in `jobs.request`.

Requested
+-- TrainingWork      a source, a base model, settings
+-- EvaluationWork    a target or named tasks, a model, settings
+-- LoopWork          two targets, a base model, settings

Rows of earlier releases are read too: what they lack takes its default, and what nobody reads any more is
passed over.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from evoselect.spec.loop import LoopSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.errors import Invalid
from store.kit.json import Json
from store.tables.states import JobKind


class Requested(BaseModel):
    """Base of all: frozen, every name in it looked up before it was stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: ClassVar[JobKind]

    @classmethod
    def of(cls, stored: Mapping[str, Any], job_id: str) -> Self:
        """The request of a job; raises Invalid for settings that an older version took."""
        try:
            return cls.model_validate(stored)
        except ValidationError as error:
            detail = f"settings of {cls.kind} {job_id} are outside today's limits"
            raise Invalid(
                f"{detail} ({error.error_count()} of them): start a new {cls.kind}",
                code="settings_out_of_range",
            ) from None

    def stored(self) -> Json:
        """As the job keeps it and clients see it: what was given, its settings in full."""
        whole = self.model_dump(mode="json", by_alias=True)
        return {name: value for name, value in whole.items() if name in self.model_fields_set}


class TrainingWork(Requested):
    """Train on a selection, on all of a pool at a version, or on a file: the target that it was stored as."""

    kind = JobKind.TRAINING

    base_model: str
    spec: TrainingSpec
    seed: int = 0
    selection_id: str | None = None
    pool_id: str | None = None
    pool_version: int | None = None
    file_id: str | None = None
    examples_id: str | None = None
    """The target that holds the records of the file."""

    def source(self) -> dict[str, str | int]:
        """What it learns from, by name."""
        names = ("selection_id", "pool_id", "pool_version", "examples_id", "file_id")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class EvaluationWork(Requested):
    """Measure a model on the records of a target, or on lm-eval's tasks."""

    kind = JobKind.EVALUATION

    model: str
    spec: EvaluationSpec
    target_id: str | None = None
    tasks: tuple[str, ...] | None = None
    limit: int | None = None
    """Questions of each task; None takes all."""


class LoopWork(Requested):
    """Rounds for one target, measured on another."""

    kind = JobKind.LOOP

    target_id: str
    evaluation_target_id: str
    base_model: str
    spec: LoopSpec
