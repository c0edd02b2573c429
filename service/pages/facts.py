"""What the pages say of a job, made ready to be printed. Pure, but for the rounds of a loop."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service import views
from service.html import NOTHING, number
from store import jobs, loop_plan, loop_steps, loops
from store.job_reads import Progress
from store.models import Job

Json = dict[str, Any]
MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
ENDS = ("completed_at", "failed_at", "cancelled_at", "expired_at")


def line(job: Json) -> Json:
    """A job as one line of a list."""
    progress = job["progress"]
    done, total = progress["rows_done"], progress["rows_total"]
    return {
        "id": job["id"],
        "name": job["name"],
        "status": job["status"],
        "phase": job["phase"],
        "share": 100 if job["status"] == "completed" else int(100 * done / total) if total else 0,
        "rows": f"{done:,} of {total:,} rows" if total else NOTHING,
        "eta": span(job["eta_seconds"]),
        "created": moment(job["created_at"]),
        "took": span(_seconds(job)),
    }


def phases(progress: Progress) -> list[Json]:
    """Name, share and time of each phase that has begun."""
    return [
        {
            "name": name,
            "share": int(100 * phase["done"] / phase["total"]) if phase["total"] else 0,
            "rows": f"{int(phase['done']):,} of {int(phase['total']):,}",
            "seconds": span(phase["seconds"]),
        }
        for name, phase in progress.items()
    ]


def of_result(job: Json) -> list[tuple[str, str]]:
    """The numbers at the top of a result, those that are one number or one word."""
    result = job["result"] or {}
    merged = {**result.get("counts", {}), **result.get("diagnostics", {}), **result}
    plain = (float, int, str)
    return [
        (name.replace("_", " "), value if isinstance(value, str) else number(value))
        for name, value in merged.items()
        if isinstance(value, plain)
    ]


def rounds(session: Session, job: Job) -> list[Json]:
    """The rounds of a loop, with what each arm has come to."""
    arms, over = loop_plan.arms(loops.spec_of(job)), jobs.is_terminal(job)
    steps = loop_steps.of_loop(session, job.id)
    return [
        views.loop_round(row, {arm: loop_steps.numbers(steps, row.number, arm) for arm in arms}, over=over)
        for row in loop_steps.rounds(session, job.id)
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


def _seconds(job: Json) -> float | None:
    ended = next((job[name] for name in ENDS if job.get(name)), None)
    if ended is None:
        return None
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(job["created_at"])).total_seconds()
