"""What requests about files, targets and pools may say."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evoselect.spec.fields import Bounded, Id, Real, Seed, ShortText
from service.http.fields import CHAT, QUESTION, Labelled, Records, ShapedRows, exactly_one, example

OnInvalid = Literal["reject_batch", "skip"]


Sha256 = Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]


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


class TargetRequest(Labelled, ShapedRows):
    """Examples of the target task."""

    model_config = example(records=[QUESTION], name="sums", metadata={"team": "a"})

    records: Records | None = None
    file_id: Id | None = None
    held_out: HeldOut | None = None

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
    file_id: Id | None = None
    client_batch_id: ShortText | None = None
    on_invalid: OnInvalid = "reject_batch"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(records=self.records, file_id=self.file_id)
        return self
