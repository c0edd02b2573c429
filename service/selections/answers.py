"""What answers about selections look like."""

from typing import Any, Literal

from pydantic import BaseModel

from evoselect.spec.reading import OnLong
from store.kit.json import Json


class EstimatedSeconds(BaseModel):
    """Of one worker."""

    features: float
    transport: float


class EstimatedBytes(BaseModel):
    """Of gradients, at most: memory for sketches and for the matrix of the selection, features on disk."""

    sketches: int
    features: int
    matrix: int


class EstimatedLengths(BaseModel):
    """Of the first rows of the pool, in tokens by their bytes: the model's tokenizer is not asked."""

    rows: int
    up_to: dict[str, int]
    """Rows by powers of two: those of up to so many tokens, and more than the power before."""
    longest: int
    max_length: int | None
    longer: int | None
    """Rows beyond max_length, where the request says one."""
    on_long: OnLong
    """What becomes of them."""


class Estimate(BaseModel):
    """What a selection would cost; nothing was stored."""

    object: Literal["selection.estimate"]
    request: Json
    rows: int
    tokens: int
    shards: int
    seconds: EstimatedSeconds
    bytes: EstimatedBytes
    lengths: EstimatedLengths | None
    basis: Literal["measured", "formula"]


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
    cluster: dict[str, Any] | None = None
    """Candidates that nearly repeat it: their representative, and how many they are."""
    leaks: list[dict[str, Any]] = []
    """Examples of targets that it nearly repeats."""
