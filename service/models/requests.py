"""What requests for trainings and evaluations may say."""

from typing import Annotated, Self

from pydantic import model_validator

from evoselect.spec.fields import Id, Members, Seed, ShortText, Whole
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from service.http.fields import QUESTION, JobRequest, Records, ShapedRows, Version, exactly_one, example


class TrainingRequest(JobRequest, ShapedRows):
    """Train a LoRA adapter on a completed selection, on the records of a file, or on all of a pool."""

    model_config = example(selection_id="sel_01jd8x00000000000000000000", spec={"epochs": 1.0})

    selection_id: Id | None = None
    """A completed selection to train on."""
    file_id: Id | None = None
    """A stored file with records to train on."""
    pool_id: Id | None = None
    """A pool to train on, all of it."""
    pool_version: Version | None = None
    """The version of the pool; null takes the newest."""
    base_model: ShortText | None = None
    """Alias of a base model or id of an adapter to go on from; null takes the operator's default."""
    spec: TrainingSpec = TrainingSpec()
    """How it is trained."""
    seed: Seed = 0
    """Of the adapter's first weights and the order of examples; the same one gives the same order."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(selection_id=self.selection_id, file_id=self.file_id, pool_id=self.pool_id)
        if self.pool_version is not None and self.pool_id is None:
            raise ValueError("pool_version needs pool_id: selections and files have no versions")
        return self


class EvaluationRequest(JobRequest, ShapedRows):
    """Measure a model on held-out examples."""

    model_config = example(model="smollm2-135m-instruct", records=[QUESTION])

    model: ShortText
    """Alias of a base model, or id of an adapter."""
    target_id: Id | None = None
    """A target whose examples it is measured on."""
    records: Records | None = None
    """Examples that it is measured on."""
    file_id: Id | None = None
    """A stored file with such examples."""
    tasks: Annotated[list[ShortText], Members(64, low=1)] | None = None
    """Names of lm-eval's tasks, where the operator offers them."""
    limit: Annotated[int, Whole(1)] | None = None
    """Questions of each named task, from its beginning; None takes all."""
    spec: EvaluationSpec = EvaluationSpec()
    """How it is measured."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(target_id=self.target_id, records=self.records, file_id=self.file_id, tasks=self.tasks)
        if self.tasks is None and self.limit is not None:
            raise ValueError(f"limit is {self.limit}, but it cuts named tasks alone: send tasks, or no limit")
        if self.tasks is not None and len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks names one task twice: name each once")
        return self
