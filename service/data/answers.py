"""What answers about data look like: the schemas of the OpenAPI document, filled by service/http/views.py."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from service.http.answers import Fault, Page

__all__ = [
    "Batch",
    "Candidate",
    "Comparison",
    "Deleted",
    "File",
    "Page",
    "Pool",
    "Target",
    "Upload",
    "UploadPart",
]


class File(BaseModel):
    """A file without its bytes."""

    id: str
    object: Literal["file"]
    name: str | None
    media_type: str | None
    size: int
    sha256: str
    created_at: datetime


class Deleted(BaseModel):
    """What is no more."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class UploadPart(BaseModel):
    """A part without its bytes."""

    object: Literal["upload.part"]
    number: int
    size: int
    sha256: str


class Upload(BaseModel):
    """A file that comes in parts."""

    id: str
    object: Literal["upload"]
    name: str | None
    status: Literal["pending", "completed", "cancelled", "expired"]
    file_id: str | None
    parts: list[UploadPart]
    created_at: datetime
    expires_at: datetime


class Target(BaseModel):
    """A target without its records."""

    id: str
    object: Literal["target"]
    name: str | None
    metadata: dict[str, str]
    count: int
    groups: dict[str, int]
    held_out_target_id: str | None
    created_at: datetime


class Pool(BaseModel):
    """A pool without its candidates."""

    id: str
    object: Literal["pool"]
    name: str | None
    metadata: dict[str, str]
    version: int
    count: int
    created_at: datetime


class Counts(BaseModel):
    """What became of the records: received = accepted + rejected; accepted - duplicates were stored."""

    received: int
    accepted: int
    rejected: int
    duplicates: int


class Batch(BaseModel):
    """What became of a batch; `errors` are its first faults, the file has all of them."""

    id: str
    object: Literal["pool.batch"]
    pool_id: str
    version: int
    client_batch_id: str | None
    counts: Counts
    errors: list[Fault]
    error_file_id: str | None
    created_at: datetime


class Change(BaseModel):
    """A number of both selections."""

    first: float | None
    second: float | None
    change: float | None


class TargetChange(Change):
    """The coverage of one target."""

    target: str


class Overlap(BaseModel):
    """Contents that both selected."""

    shared: int
    only_first: int
    only_second: int
    jaccard: float


class Coverage(BaseModel):
    """How near the selected items are to the targets that both selections serve."""

    targets: int
    only_first: int
    only_second: int
    mean_cosine: Change
    better: int
    worse: int
    most_changed: list[TargetChange]


class Comparison(BaseModel):
    """Two selections side by side; coverage is null where they have different targets."""

    object: Literal["selection.comparison"]
    selections: list[str]
    overlap: Overlap
    rank_correlation: float | None
    coverage: Coverage | None
    transport: Change


class NearestTarget(BaseModel):
    """The target that a candidate is most like."""

    id: str
    cosine: float


class Candidate(BaseModel):
    """Why a candidate is in or out."""

    object: Literal["selection.candidate"]
    id: str
    content_hash: str
    repeated: bool
    """Whether it was received as a copy of the stored record that this speaks of."""
    status: Literal["selected", "not_selected", "not_usable"]
    reason: str
    item: dict[str, Any] | None = None
    nearest_target: NearestTarget | None = None
    last_selected: dict[str, Any] | None = None


class PairedDifference(BaseModel):
    """One measure of two models over the same n records: means, second minus first with its 95 % interval."""

    n: int
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float


class EvaluationComparison(BaseModel):
    """Two evaluations record by record; null where fewer than two records have the measure."""

    object: Literal["evaluation.comparison"]
    evaluations: tuple[str, str]
    models: tuple[str, str]
    differences: dict[str, PairedDifference | None]
