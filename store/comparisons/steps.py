"""What the rows say of a comparison: its steps, what they selected, what was judged so far."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.comparisons.plan import Key, Picked, State, key_of
from store.jobs.results import Rows
from store.kit.json import Json
from store.loops import steps as loop_steps
from store.tables.jobs import Job
from store.tables.states import JobKind, JobStatus


def jobs_by_key(session: Session, comparison_id: str) -> dict[Key, Job]:
    """The jobs of all steps that have begun, in the order in which they did."""
    return {key_of(step.round, step.name): step.job for step in loop_steps.of_loop(session, comparison_id)}


def state(session: Session, comparison: Job, steps: dict[Key, Job]) -> State:
    """Where a comparison stands."""
    result = comparison.result or {}
    passed = func.extract("epoch", func.clock_timestamp() - comparison.created_at)
    return State(
        statuses={key: job.status for key, job in steps.items()},
        picked={key: found for key, job in steps.items() if (found := _picked(job)) is not None},
        judged=int(result.get("evaluations", 0)),
        interim=bool(result.get("verdict", {}).get("interim")),
        out=frozenset(result.get("out", {})),
        seconds=float(session.scalar(select(passed)) or 0.0),
        pace=_pace(steps),
    )


def _picked(job: Job) -> Picked | None:
    """Of a completed selection."""
    if job.kind != JobKind.SELECTION or job.status != JobStatus.COMPLETED:
        return None
    found = Rows.model_validate((job.result or {})["picked"])
    return Picked(found.sha256, found.tokens)


def _pace(steps: dict[Key, Job]) -> float:
    """Seconds from the first training's start to the last evaluation's end, by evaluations; 0 before one."""
    begun = [job.created_at for key, job in steps.items() if key.step == "train"]
    ends = [job.completed_at for key, job in steps.items() if key.step == "evaluate" and job.completed_at]
    return (max(ends) - min(begun)).total_seconds() / len(ends) if ends else 0.0


def outline(session: Session, comparison_id: str) -> list[Json]:
    """{run, arm, step, status, kind, job_id} of all steps so far, in the order in which they began."""
    return [
        {
            **key_of(step.round, step.name)._asdict(),
            "status": step.status,
            "kind": step.kind,
            "job_id": step.job_id,
        }
        for step in loop_steps.outline(session, comparison_id)
    ]
