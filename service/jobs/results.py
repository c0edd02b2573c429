"""What a completed selection or evaluation left behind."""

from service.http.problems import Problem
from service.jobs.pairs import Score
from service.services import State
from store.jobs import lifecycle as jobs
from store.jobs.results import EvaluationFiles
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


def scores(state: State, job: Job) -> list[Score]:
    """What a completed evaluation found of each example, in their order."""
    place = EvaluationFiles.of((job.result or {}).get("artifacts")).rows
    rows: list[Score] = state.artifacts.get_table(place.path, place.sha256).to_pylist()
    return rows
