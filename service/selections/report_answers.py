"""What a report looks like as JSON: its schema in the OpenAPI document."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from store.kit.json import Json
from store.tables.states import JobStatus


class Reported(BaseModel):
    """The selection that the report is about."""

    id: str
    name: str | None
    created_at: datetime
    completed_at: datetime | None
    request: Json
    metadata: Json


class Report(BaseModel):
    """The numbers behind every chart of the page; docs/report.md says how to read them."""

    object: Literal["selection.report"]
    selection: Reported
    counts: Json
    map: Json
    relevance: Json
    coverage: Json
    twins: Json
    near_duplicates: Json
    near_copies: Json | None
    near_copy_texts: Json | None
    """Beginnings of the texts of the clusters and leaks that `near_copies` lists, in its order."""
    mean_redundancy: float
    targets: Json
    tradeoff: list[Json]
    against: Json
    diagnostics: Json
    features: Json
    conditioning: str | None
    manifest: Json


class ReportedLoop(Reported):
    """The loop that the report is about."""

    status: JobStatus


class LoopReport(BaseModel):
    """The rounds of a loop so far; docs/report.md says how to read them."""

    object: Literal["loop.report"]
    loop: ReportedLoop
    stop_reason: str | None
    best_round: int | None
    base: Json
    rounds: list[Json]
    frame: Json | None
