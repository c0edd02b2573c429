"""Rows of jobs as answers."""

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


def job(row: Job, phases: Progress) -> Json:
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
        **{f"{name}_at": time_text(getattr(row, f"{name}_at")) for name in TIMES},
    }


def event(row: Event) -> Json:
    """One transition of a job."""
    return {
        "sequence": row.sequence,
        "type": row.type,
        "data": row.data,
        "created_at": time_text(row.created_at),
    }


def _eta(row: Job, phases: Progress) -> float | None:
    """Seconds left of the present phase at its pace so far; None while that says nothing."""
    phase = phases.get(row.phase or "")
    if row.status != JobStatus.RUNNING or phase is None or phase["done"] < ETA_ROWS:
        return None
    if row.phase in BY_STAGES:
        return None
    left = max(0, phase["total"] - phase["done"])
    return round(float(phase["seconds"] / phase["done"] * left), 1)
