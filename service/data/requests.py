"""What requests about files, targets and pools may say."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.fields import Bounded, Id, Real, Seed, ShortText
from service.http.fields import (
    CHAT,
    QUESTION,
    JobRequest,
    Labelled,
    Records,
    ShapedRows,
    exactly_one,
    example,
)

OnInvalid = Literal["reject_batch", "skip"]


Sha256 = Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]


class UploadRequest(Bounded):
    """A file that will come in parts."""

    model_config = example(name="pool.parquet")

    name: ShortText | None = None
    """The name that the file will have; its suffix says what it holds."""


class CompleteRequest(Bounded):
    """All parts are there."""

    sha256: Sha256 | None = None
    """Of the whole file in hexadecimal: other bytes are refused."""


class HeldOut(Bounded):
    """A share of the target examples that is kept apart, for evaluations only."""

    ratio: Annotated[float, Real(gt=0.0, lt=1.0)]
    """Share of the examples that is kept apart, between 0 and 1."""
    seed: Seed = 0
    """Which ones: the same seed takes the same."""


class TargetRequest(Labelled, ShapedRows):
    """Examples of the target task."""

    model_config = example(records=[QUESTION], name="sums", metadata={"team": "a"})

    records: Records | None = None
    """The examples; or else `file_id`."""
    file_id: Id | None = None
    """A stored file that holds them; or else `records`."""
    held_out: HeldOut | None = None
    """Keep a share apart as a target of its own, for evaluations."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(records=self.records, file_id=self.file_id)
        return self


class PoolRequest(Labelled):
    """An empty pool."""

    model_config = example(name="candidates")


class BatchRequest(ShapedRows):
    """Candidates as one JSON body, or in a file; larger batches go as NDJSON."""

    model_config = example(records=[QUESTION, CHAT], client_batch_id="day-1", on_invalid="skip")

    records: Records | None = None
    """The candidates; or else `file_id`."""
    file_id: Id | None = None
    """A stored file that holds them; or else `records`."""
    client_batch_id: ShortText | None = None
    """A name of yours: the same one again answers with the first batch."""
    on_invalid: OnInvalid = "reject_batch"
    """A bad record refuses the whole batch, or is skipped and counted."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(records=self.records, file_id=self.file_id)
        return self


class IndexingRequest(JobRequest):
    """Make the records of a pool findable by their features."""

    model_config = example(pool_id="pool_01jd8x00000000000000000000")

    pool_id: Id
    """The pool, at its newest version."""
    selection_id: Id | None = None
    """A completed selection of the pool, whose model and features it takes. Null takes the newest one, unless
    `model` or `features` is given."""
    model: ShortText | None = None
    """Alias of the proxy model; null takes that of the selection, or the operator's default."""
    features: FeatureSpec | None = None
    """What the features are, in place of a selection's; those that are not there yet are computed."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.selection_id is not None and (self.model is not None or self.features is not None):
            raise ValueError("selection_id says which model and features: send it, or model and features")
        if self.features is not None and self.features.kind == "provided":
            raise ValueError("features of kind provided come with a selection: send its selection_id")
        if self.features is not None and self.features.funnel is not None:
            raise ValueError("an index holds all records of a pool: leave funnel out")
        return self
