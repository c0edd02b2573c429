"""What a job was asked to do: all that its workers read of it, kept as JSON in `jobs.request`.

Requested
+-- SelectionNames    a target, a pool at a version, how many
|   +-- SelectionWork     and settings; Featured too
+-- Featured          a pool whose records get features, and how
|   +-- IndexingWork      and the file that holds them, where they were sent
+-- TrainingWork      a source, a base model, settings
+-- EvaluationNames   a target or named tasks, a model
|   +-- EvaluationWork    and settings
+-- LoopWork          two targets, a base model, settings
+-- ComparisonWork    two targets, a pool, a base model, settings with every arm

Rows of earlier releases are read too: what they lack takes its default, and what nobody reads any more is
passed over.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from evoselect.spec.comparison import ComparisonSpec, Measure
from evoselect.spec.features import FeatureSpec
from evoselect.spec.loop import LoopSpec
from evoselect.spec.selection import SelectionSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.errors import Invalid
from store.kit.json import Json
from store.tables.states import PREFIX, JobKind


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


class FeatureFiles(BaseModel):
    """Ids of the files that hold the features of each side."""

    model_config = ConfigDict(frozen=True)

    target: str
    pool: str


class SelectionNames(Requested):
    """What is picked from and for: read of any row, whatever its settings are."""

    kind = JobKind.SELECTION

    target_id: str
    pool_id: str
    pool_version: int
    k: int | None = None
    """None where the budget is in tokens."""


class Featured(Requested):
    """Work that begins with features of a pool's records: what phase features reads of it."""

    pool_id: str
    pool_version: int
    model: str
    features: FeatureSpec
    spec: SelectionSpec = SelectionSpec()
    pinned: tuple[str, ...] = ()

    def model_of(self, checkpoint: int) -> str:
        """The model whose features are computed at that place of `features.checkpoints`."""
        checkpoints = self.features.checkpoints
        return checkpoints[checkpoint].model if checkpoints else self.model


class SelectionWork(SelectionNames, Featured):
    """Pick candidates of a pool at a version for a target: k of them, or so many tokens of them."""

    tokens: int | None = None
    tokens_from: str | None = None
    """`extra.NAME` with the tokens of each candidate; None: as the features counted them."""
    spec: SelectionSpec
    feature_files: FeatureFiles | None = None
    seed: int = 0
    exclude_selection_ids: tuple[str, ...] = ()


class IndexingWork(Featured):
    """Make a pool's records at a version findable by their features."""

    kind = JobKind.INDEXING

    feature_file: str | None = None
    """Of features that were sent: the id of the file with a row for each record."""


def featured(stored: Mapping[str, Any], job_id: str) -> Featured:
    """The request of a job that has a phase features; raises Invalid."""
    indexing = job_id.startswith(f"{PREFIX[JobKind.INDEXING]}_")
    return (IndexingWork if indexing else SelectionWork).of(stored, job_id)


class Anchors(BaseModel):
    """Rows of a target that a training learns beside its source."""

    model_config = ConfigDict(frozen=True)

    target_id: str
    rows: int
    """Drawn by the training's seed; where the target has fewer, each comes so much more often."""
    apart_from: tuple[str, ...] = ()
    """Targets whose contents are left out."""


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
    anchors: Anchors | None = None

    def source(self) -> dict[str, str | int]:
        """What it learns from, by name."""
        names = ("selection_id", "pool_id", "pool_version", "examples_id", "file_id")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class EvaluationNames(Requested):
    """What is measured on what: read of any row, whatever its settings are."""

    kind = JobKind.EVALUATION

    model: str
    target_id: str | None = None
    tasks: tuple[str, ...] | None = None
    limit: int | None = None
    """Questions of each task; None takes all."""

    @property
    def examples(self) -> str:
        """They in words that are equal where the examples are."""
        if self.tasks is None:
            return f"target {self.target_id}"
        questions = "all questions" if self.limit is None else f"{self.limit} questions"
        return f"{questions} of {', '.join(sorted(self.tasks))}"


class EvaluationWork(EvaluationNames):
    """Measure a model on the records of a target, or on lm-eval's tasks."""

    spec: EvaluationSpec
    halves: bool = False
    """Also on each half of the records: a loop chooses its best round on one, and reports it on the other."""


class LoopWork(Requested):
    """Rounds for one target, measured on another."""

    kind = JobKind.LOOP

    target_id: str
    evaluation_target_id: str
    base_model: str
    spec: LoopSpec


class ComparisonWork(Requested):
    """Methods compared on one pool for one target, measured on another."""

    kind = JobKind.COMPARISON

    target_id: str
    evaluation_target_id: str
    pool_id: str
    pool_version: int
    base_model: str
    measure: Measure
    spec: ComparisonSpec
