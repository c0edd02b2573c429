"""What the page of a comparison shows: the table so far, and the steps of each arm."""

from sqlalchemy.orm import Session

from service.comparisons.picture import table
from store.comparisons import steps as comparison_steps
from store.jobs.requests import ComparisonWork
from store.kit.json import Json
from store.tables.jobs import Job

REASONS = {
    "trained": "All trainings were done.",
    "decided": "All other arms are worse beyond doubt.",
    "minutes": "Its time was used up.",
    "trainings": "Its trainings were used up.",
    "same_rows": "Every arm selects the same rows.",
    "failed": "Too few arms were left.",
}


def of_comparison(session: Session, job: Job) -> Json:
    """Everything of the page that other jobs do not have."""
    spec = ComparisonWork.of(job.request, job.id).spec
    steps = comparison_steps.outline(session, job.id)
    done = sum(step["step"] == "evaluate" and step["status"] == "completed" for step in steps)
    return {
        "table": table(job.result) if job.result else None,
        "done": f"{done} of {spec.planned_trainings} trainings measured",
        "reason": REASONS.get((job.result or {}).get("stop_reason", "")),
        "arms": [{"name": arm.name, "steps": _steps(arm.name, steps)} for arm in spec.compared],
    }


def _steps(arm: str, steps: list[Json]) -> list[Json]:
    return [
        {
            "name": step["step"] if step["run"] == 0 else f"{step['step']} {step['run']}",
            "status": step["status"],
            "href": f"/ui/{step['kind']}s/{step['job_id']}",
        }
        for step in steps
        if step["arm"] == arm
    ]
