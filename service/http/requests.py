"""What requests may say. Unknown fields are refused; what is left out takes the recommended value."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.fields import Bounded, Flag, Id, Members, Real, Seed, ShortText, Text, Whole
from evoselect.spec.loop import LoopSpec
from evoselect.spec.selection import METHODS, Method, SelectionSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from service.http.json_pieces import MAX_VALUES
from service.http.record_schema import RECORDS
from store.accounts.scopes import Scope
from store.kit.egress import MAX_URL
from store.webhooks.endpoints import TYPES

MAX_OVERLAP = 30 * 24 * 3600  # seconds that a rotated key may work on
OnInvalid = Literal["reject_batch", "skip"]


def _known_event(name: str) -> str:
    if name not in TYPES:
        raise ValueError(f"unknown event: use {', '.join(TYPES)}")
    return name


MetadataKey = Annotated[str, Text(1, 64, printable=True)]
MetadataValue = Annotated[str, Text(0, 512, printable=True)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Members(16)]
Version = Annotated[int, Whole(0)]
Ratio = Annotated[float, Real(gt=0.0, le=1.0)]
EventType = Annotated[
    str, Text(1, 64), AfterValidator(_known_event), WithJsonSchema({"type": "string", "enum": list(TYPES)})
]
Sha256 = Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]
Records = Annotated[list[Any], Members(MAX_VALUES), WithJsonSchema(RECORDS)]
"""store.records.record checks each, and names the line."""


QUESTION = {"prompt": "2 + 2?", "completion": "4"}
CHAT = {"messages": [{"role": "user", "content": "3 + 3?"}, {"role": "assistant", "content": "6"}]}


def _example(**fields: Any) -> ConfigDict:
    """A body that works as it stands; the suite sends it. Ids in it stand for the reader's own."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Labelled(Bounded):
    """A resource that users may name and annotate."""

    name: ShortText | None = None
    metadata: Metadata = Field(default={})


class JobRequest(Labelled):
    """Work to be done; among the jobs of one tenant higher priority comes first."""

    priority: Annotated[int, Whole(-100, 100)] = 0


class UploadRequest(Bounded):
    """A file that will come in parts."""

    name: ShortText | None = None


class CompleteRequest(Bounded):
    """All parts are there."""

    sha256: Sha256 | None = None


class HeldOut(Bounded):
    """A share of the target examples that is kept apart, for evaluations only."""

    ratio: Annotated[float, Real(gt=0.0, lt=1.0)]
    seed: Seed = 0


class TargetRequest(Labelled):
    """Examples of the target task."""

    model_config = _example(records=[QUESTION], name="sums", metadata={"team": "a"})

    records: Records | None = None
    file_id: Id | None = None
    held_out: HeldOut | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(records=self.records, file_id=self.file_id)
        return self


class PoolRequest(Labelled):
    """An empty pool."""

    model_config = _example(name="candidates")


class BatchRequest(Bounded):
    """Candidates as one JSON body, or in a file; larger batches go as NDJSON."""

    model_config = _example(records=[QUESTION, CHAT], client_batch_id="day-1", on_invalid="skip")

    records: Records | None = None
    file_id: Id | None = None
    client_batch_id: ShortText | None = None
    on_invalid: OnInvalid = "reject_batch"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(records=self.records, file_id=self.file_id)
        return self


class FeatureFiles(Bounded):
    """Matrices of the user's in the order of the records: .npy, .safetensors or .parquet files."""

    target: Id
    pool: Id


class SelectionRequest(JobRequest):
    """Which candidates of a pool are wanted for a target, and how many."""

    model_config = _example(target=[QUESTION], candidates=[QUESTION, CHAT], k=1, method="capacity", seed=7)

    target_id: Id | None = None
    target: Records | None = None
    pool_id: Id | None = None
    candidates: Records | None = None
    pool_version: Version | None = None
    k: Annotated[int, Whole(1)] | None = None
    ratio: Ratio | None = None
    method: Method | None = None
    spec: SelectionSpec = SelectionSpec()
    features: FeatureSpec = FeatureSpec()
    feature_files: FeatureFiles | None = None
    model: ShortText | None = None
    seed: Seed = 0
    exclude_selection_ids: Annotated[list[Id], Members(100)] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def _method_of_the_spec(cls, given: Any) -> Any:
        """`method` is short for `spec.method`, and the spec is checked with it."""
        if not isinstance(given, dict) or given.get("method") not in METHODS:
            return given
        spec = given.get("spec", {})
        return {**given, "spec": {"method": given["method"], **spec}} if isinstance(spec, dict) else given

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        _exactly_one(target_id=self.target_id, target=self.target)
        _exactly_one(pool_id=self.pool_id, candidates=self.candidates)
        _exactly_one(k=self.k, ratio=self.ratio)
        if self.pool_version is not None and self.pool_id is None:
            raise ValueError("pool_version needs pool_id: inline candidates have no versions")
        if (self.features.kind == "provided") != (self.feature_files is not None):
            raise ValueError(
                f"features.kind is {self.features.kind!r} and feature_files is "
                f"{'given' if self.feature_files else 'missing'}: feature_files belong to kind 'provided'"
            )
        if self.features.checkpoints and self.model is not None:
            raise ValueError(f"model is {self.model!r} and features.checkpoints name models too: send one")
        if self.method and self.method != self.spec.method:
            raise ValueError(f"method is {self.method!r} but spec.method is {self.spec.method!r}: send one")
        return self


class TrainingRequest(JobRequest):
    """Train a LoRA adapter on a completed selection, on the records of a file, or on all of a pool."""

    model_config = _example(selection_id="sel_01jd8x00000000000000000000", spec={"epochs": 1.0})

    selection_id: Id | None = None
    file_id: Id | None = None
    pool_id: Id | None = None
    pool_version: Version | None = None
    base_model: ShortText | None = None
    spec: TrainingSpec = TrainingSpec()
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(selection_id=self.selection_id, file_id=self.file_id, pool_id=self.pool_id)
        if self.pool_version is not None and self.pool_id is None:
            raise ValueError("pool_version needs pool_id: selections and files have no versions")
        return self


class EvaluationRequest(JobRequest):
    """Measure a model on held-out examples."""

    model_config = _example(model="smollm2-135m-instruct", records=[QUESTION])

    model: ShortText
    target_id: Id | None = None
    records: Records | None = None
    file_id: Id | None = None
    tasks: Annotated[list[ShortText], Members(64, low=1)] | None = None
    """Names of lm-eval's tasks, where the operator offers them."""
    limit: Annotated[int, Whole(1)] | None = None
    """Questions of each named task, from its beginning; None takes all."""
    spec: EvaluationSpec = EvaluationSpec()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(target_id=self.target_id, records=self.records, file_id=self.file_id, tasks=self.tasks)
        if self.tasks is None and self.limit is not None:
            raise ValueError(f"limit is {self.limit}, but it cuts named tasks alone: send tasks, or no limit")
        if self.tasks is not None and len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks names one task twice: name each once")
        return self


class LoopRequest(JobRequest, LoopSpec):
    """Rounds of generate, select, train and evaluate."""

    model_config = _example(
        target_id="tgt_01jd8x00000000000000000000",
        evaluation_target_id="tgt_01jd8x00000000000000000001",
        generator={"kind": "push"},
        k=64,
    )

    target_id: Id
    evaluation_target_id: Id | None = None
    base_model: ShortText | None = None

    def full_spec(self) -> LoopSpec:
        """The settings alone."""
        return LoopSpec(**{name: getattr(self, name) for name in LoopSpec.model_fields})


class CandidatesRequest(BatchRequest):
    """Candidates of one round; with `more` the round waits for further batches."""

    model_config = _example(records=[QUESTION, CHAT], client_batch_id="round-1", more=False)

    more: Flag = False


class ApiKeyRequest(Bounded):
    """A key for a program or a person."""

    model_config = _example(name="pipeline", scopes=["select:write", "train"])

    name: ShortText
    scopes: Annotated[list[Scope], Members(len(Scope), low=1)]


class RotateRequest(Bounded):
    """Replace a key; the old one works on for a while, so that its users can change over."""

    model_config = _example(overlap_seconds=86_400)

    overlap_seconds: Annotated[int, Whole(0, MAX_OVERLAP)] = 3600


class EndpointRequest(Bounded):
    """An address that wants to hear of jobs that end."""

    model_config = _example(url="https://example.com/hook", events=["selection.completed"])

    url: Annotated[str, Text(1, MAX_URL, printable=True)]
    events: Annotated[list[EventType], Members(len(TYPES), low=1)] = Field(default=list(TYPES))
    description: ShortText | None = None


def _exactly_one(**fields: object) -> None:
    found = [name for name, value in fields.items() if value is not None]
    if len(found) != 1:
        names = " and ".join(fields) if len(fields) == 2 else ", ".join(fields)
        said = " and ".join(found) if found else "neither" if len(fields) == 2 else "none"
        raise ValueError(f"send exactly one of {names}, got {said}")
