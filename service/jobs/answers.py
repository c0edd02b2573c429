"""What answers about jobs look like."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from store.kit.json import Json
from store.tables.states import JobStatus


class PhaseProgress(BaseModel):
    """Rows of one phase, and its seconds so far."""

    done: int
    total: int
    seconds: float


class Progress(BaseModel):
    """Rows over all phases known so far."""

    rows_done: int
    rows_total: int
    phases: dict[str, PhaseProgress]


class JobFault(BaseModel):
    """Why a job failed."""

    code: str
    detail: str


class Job(BaseModel):
    """A selection, training, evaluation, loop or comparison."""

    id: str
    object: Literal["selection", "training", "evaluation", "loop", "comparison"]
    status: JobStatus
    done: bool
    phase: str | None
    progress: Progress
    eta_seconds: float | None
    name: str | None
    request: Json
    result: Json | None
    error: JobFault | None
    metadata: dict[str, str]
    created_at: datetime
    queued_at: datetime | None
    running_at: datetime | None
    paused_at: datetime | None
    cancelling_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    expired_at: datetime | None


class Event(BaseModel):
    """One transition of a job."""

    sequence: int
    type: str
    data: Json
    created_at: datetime
