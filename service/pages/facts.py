"""What the pages say of any job, made ready to be printed."""

from datetime import datetime
from typing import TypedDict

from sqlalchemy.orm import Session

from service.html.templates import NOTHING, number
from service.loops.round_charts import MEASURES
from service.pages import words
from service.polls.views import JobView
from store.jobs.reads import Progress
from store.kit.json import Json
from store.tables.data import Model
from store.tables.jobs import Job
from store.tables.states import JobKind

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds


class Line(TypedDict):
    """A job as one line of a list."""

    id: str
    name: str | None
    status: str
    phase: str | None
    share: int
    """Per cent."""
    rows: str
    eta: str
    created: str
    took: str


class PhaseLine(TypedDict):
    """A phase that has begun."""

    name: str
    share: int
    """Per cent."""
    rows: str
    seconds: str


def line(job: JobView, rounds_done: int = 0) -> Line:
    """A job as one line of a list; a loop is as far as its rounds, a comparison as its trainings."""
    progress = job["progress"]
    done, total, what = progress["rows_done"], progress["rows_total"], "rows"
    if job["object"] == JobKind.LOOP:
        done, total, what = rounds_done, job["request"].get("spec", {}).get("rounds", 0), "rounds"
    if job["object"] == JobKind.COMPARISON:
        done, total = (job["result"] or {}).get("evaluations", 0), _trainings(job["request"].get("spec", {}))
        what = "trainings"
    return {
        "id": job["id"],
        "name": job["name"],
        "status": job["status"],
        "phase": job["phase"],
        "share": 100 if job["status"] == "completed" else share(done, total),
        "rows": f"{done:,} of {total:,} {what}" if total else NOTHING,
        "eta": span(job["eta_seconds"]),
        "created": moment(job["created_at"]),
        "took": span(_seconds(job)),
    }


def title(name: str | None, kind: str, created: datetime) -> str:
    """How a row is called: its name, else what it is and when it was made."""
    return name or f"{kind.capitalize()} of {created:%d %b %Y, %H:%M} UTC"


def model_name(session: Session, row: Model) -> str:
    """What an adapter is called: its own name, else its training's, else by what that learnt from."""
    if row.name:
        return row.name
    training = session.get(Job, row.training_id)
    if training is None:
        return title(None, "model", row.created_at)
    if training.name:
        return training.name
    source = training.request.get("selection_id")
    chosen = session.get(Job, source) if source else None
    if chosen is None:
        return title(None, "model", row.created_at)
    return f"Trained on {chosen.name or title(None, 'selection', chosen.created_at)}"


def size(count: int) -> str:
    """Bytes in the largest unit that leaves a whole number."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_:
            return f"{count / bytes_:,.1f} {unit}"
    return f"{count} bytes"


def _trainings(spec: Json) -> int:
    """How many a comparison has planned, by its request as it stands."""
    seeds = spec.get("seeds", 0)
    drawn = max(seeds, spec.get("draws", 0))
    return sum(drawn if arm.get("method") == "random" else seeds for arm in spec.get("arms") or ())


def share(done: float, total: float) -> int:
    """In per cent; 0 while there is nothing to do."""
    return int(100 * done / total) if total else 0


def phases(progress: Progress) -> list[PhaseLine]:
    """Name, share and time of each phase that has begun, in their order."""
    ordered = sorted(progress.items(), key=lambda pair: words.in_order(pair[0]))
    return [
        {
            "name": words.PHASE_WORDS.get(name, name),
            "share": share(phase["done"], phase["total"]),
            "rows": f"{int(phase['done']):,} of {int(phase['total']):,}",
            "seconds": span(phase["seconds"]),
        }
        for name, phase in ordered
    ]


def of_result(job: JobView) -> list[tuple[str, str]]:
    """The numbers at the top of a result, those that are one number or one word; measures stand elsewhere."""
    result = job["result"] or {}
    merged = {**result.get("counts", {}), **result.get("diagnostics", {}), **result}
    plain = (float, int, str)
    return [
        (name.replace("_", " "), value if isinstance(value, str) else number(value))
        for name, value in merged.items()
        if isinstance(value, plain) and name not in MEASURES
    ]


def span(seconds: float | None) -> str:
    """A time in the two largest units that matter."""
    if seconds is None:
        return NOTHING
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"
    return f"{int(seconds // DAY)} d {int(seconds % DAY // HOUR)} h"


def moment(time: str | None) -> str:
    """A time as people read it, in UTC."""
    return NOTHING if time is None else datetime.fromisoformat(time).strftime("%d %b %Y, %H:%M UTC")


def _seconds(job: JobView) -> float | None:
    ended = job["completed_at"] or job["failed_at"] or job["cancelled_at"] or job["expired_at"]
    if ended is None:
        return None
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(job["created_at"])).total_seconds()
