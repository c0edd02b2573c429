"""What a completed selection or evaluation left behind."""

from typing import Any

from service.http.problems import Problem
from service.services import State
from store.jobs import lifecycle as jobs
from store.tables.jobs import Job
from store.tables.states import JobKind, JobStatus


def completed(
    state: State, tenant_id: str, job_id: str, *, what: str, kind: JobKind = JobKind.SELECTION
) -> Job:
    """The job; raises NotFound, or Problem 409 while `what` is not there yet."""
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, kind)
        if job.status != JobStatus.COMPLETED or job.result is None:
            noun = kind.capitalize()
            detail = f"{noun} {job_id} is {job.status}; its {what} are there once it is completed."
            raise Problem(409, f"{kind}_not_completed", detail)
        return job


def artifact(job: Job, name: str) -> dict[str, Any] | None:
    """{path, sha256, rows} of a file that the job stored; None where it was made before there were such."""
    found: dict[str, Any] | None = (job.result or {})["artifacts"].get(name)
    return found


def scores(state: State, job: Job) -> list[dict[str, Any]]:
    """What a completed evaluation found of each example, in their order."""
    place = (job.result or {})["artifacts"]["rows"]
    rows: list[dict[str, Any]] = state.artifacts.get_table(place["path"], place["sha256"]).to_pylist()
    return rows
