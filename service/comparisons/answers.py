"""What answers about comparisons look like."""

from typing import Literal

from pydantic import BaseModel

from service.selections.report_answers import Reported
from store.kit.json import Json
from store.tables.states import JobStatus


class PlannedArm(BaseModel):
    """An arm, and how often it is trained where nothing ends the comparison earlier."""

    name: str
    method: str
    trainings: int


class ComparisonSeconds(BaseModel):
    """Of one worker."""

    features: float
    select: float
    train: float
    evaluate: float


class ComparisonEstimate(BaseModel):
    """What a comparison would cost and could see; nothing was stored."""

    object: Literal["comparison.estimate"]
    request: Json
    arms: list[PlannedArm]
    trainings: int
    seconds: ComparisonSeconds
    minutes: float
    """Of one worker; several share them."""
    basis: Literal["measured", "formula"]
    measure: str
    unit: Literal["points", "nats"]
    questions: int
    """Examples that have the measure."""
    detectable_gain: float
    """The gain over random that is seen with probability 0.8: a share, or nats."""


class ReportedComparison(Reported):
    """The comparison that the report is about."""

    status: JobStatus


class ComparisonReport(BaseModel):
    """The table of a comparison so far; docs/comparisons.md says how to read it."""

    object: Literal["comparison.report"]
    comparison: ReportedComparison
    result: Json | None
    steps: list[Json]
