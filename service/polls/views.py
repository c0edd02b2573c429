"""Rows of jobs as answers."""

from typing import TypedDict, cast

from service.http.views import public_result, time_text
from store.jobs.reads import Progress
from store.kit.json import Json
from store.tables.jobs import Event, Job
from store.tables.states import TERMINAL, JobStatus

TIMES = (
    "created",
    "queued",
    "running",
    "paused",
    "cancelling",
    "completed",
    "failed",
    "cancelled",
    "expired",
)
ETA_ROWS = 32  # rows that must be done before their pace says anything
BY_STAGES = ("transport",)  # phases whose rows count by stages, which take unlike times: no pace


class ProgressView(TypedDict):
    """Rows of all phases that have begun, and of each."""

    rows_done: int
    rows_total: int
    phases: Progress


class Times(TypedDict):
    """When a job came into each status; the members are those of TIMES."""

    created_at: str
    queued_at: str | None
    running_at: str | None
    paused_at: str | None
    cancelling_at: str | None
    completed_at: str | None
    failed_at: str | None
    cancelled_at: str | None
    expired_at: str | None


class JobView(Times):
    """A job of any kind as clients see it; each kind has response models for `request` and `result`."""

    id: str
    object: str
    """Its kind."""
    status: str
    done: bool
    phase: str | None
    progress: ProgressView
    eta_seconds: float | None
    name: str | None
    request: Json
    result: Json | None
    error: Json | None
    metadata: dict[str, str]


class EventView(TypedDict):
    """One transition of a job."""

    sequence: int
    type: str
    data: Json
    created_at: str | None


def job(row: Job, phases: Progress) -> JobView:
    """A selection, training, evaluation or loop with its progress by phase."""
    return {
        "id": row.id,
        "object": row.kind,
        "status": row.status,
        "done": row.status in TERMINAL,
        "phase": row.phase,
        "progress": {
            "rows_done": sum(int(phase["done"]) for phase in phases.values()),
            "rows_total": sum(int(phase["total"]) for phase in phases.values()),
            "phases": phases,
        },
        "eta_seconds": _eta(row, phases),
        "name": row.name,
        "request": row.request,
        "result": None if row.result is None else public_result(row.result),
        "error": row.error,
        "metadata": row.user_metadata,
        **_times(row),
    }


def event(row: Event) -> EventView:
    """As clients see it."""
    return {
        "sequence": row.sequence,
        "type": row.type,
        "data": row.data,
        "created_at": time_text(row.created_at),
    }


def _times(row: Job) -> Times:
    return cast(Times, {f"{name}_at": time_text(getattr(row, f"{name}_at")) for name in TIMES})


def _eta(row: Job, phases: Progress) -> float | None:
    """Seconds left of the present phase at its pace so far; None while that says nothing."""
    phase = phases.get(row.phase or "")
    if row.status != JobStatus.RUNNING or phase is None or phase["done"] < ETA_ROWS:
        return None
    if row.phase in BY_STAGES:
        return None
    left = max(0, phase["total"] - phase["done"])
    return round(float(phase["seconds"] / phase["done"] * left), 1)
