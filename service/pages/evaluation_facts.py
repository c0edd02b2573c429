"""Other models on the examples of an evaluation, paired with it question by question."""

from collections.abc import Mapping
from typing import TypedDict

from sqlalchemy.orm import Session

from service.html.charts import with_interval
from service.jobs import pairs
from service.jobs.measured import PairedDifference
from service.jobs.results import scores
from service.loops.round_charts import MEASURES
from service.pages import facts
from service.services import State
from store.jobs import lifecycle as jobs
from store.jobs.requests import EvaluationNames
from store.tables.data import Model
from store.tables.jobs import Job
from store.tables.owned import Window
from store.tables.states import JobKind, JobStatus

LOOKED = 100  # newest evaluations that are looked through
LISTED = 8  # of them on the same examples


class MeasuredBeside(TypedDict):
    """A measure of another evaluation, and how this one differs from it."""

    title: str
    value: str
    change: str


class Other(TypedDict):
    """Another evaluation on the same examples."""

    id: str
    name: str
    measures: list[MeasuredBeside]


def others(session: Session, job: Job) -> list[Job]:
    """Completed evaluations on the same examples, newest first."""
    if job.status != JobStatus.COMPLETED:
        return []
    done = [JobStatus.COMPLETED]
    rows = jobs.listing(
        session, job.tenant_id, JobKind.EVALUATION, window=Window(limit=LOOKED), statuses=done
    )
    own = EvaluationNames.of(job.request, job.id).examples
    same = [
        row for row in rows if row.id != job.id and EvaluationNames.of(row.request, row.id).examples == own
    ]
    return same[:LISTED]


def beside(state: State, job: Job, found: list[tuple[Job, str]]) -> list[Other]:
    """A line for each other one, given with its name: its measures, and how this one differs from it."""
    if not found or "tasks" in job.request:
        return []
    own = scores(state, job)
    return [_line(row, name, pairs.paired_differences(scores(state, row), own)) for row, name in found]


def model_name(session: Session, alias: str) -> str:
    """An adapter by its training, another model by its alias."""
    row = session.get(Model, alias)
    return alias if row is None else facts.model_name(session, row)


def _line(row: Job, name: str, differences: Mapping[str, PairedDifference | None]) -> Other:
    result = row.result or {}
    intervals = result.get("intervals", {})
    measures: list[MeasuredBeside] = [
        {
            "title": title,
            "value": with_interval(result[measure], intervals.get(measure)),
            "change": _change(differences.get(measure)),
        }
        for measure, (title, _) in MEASURES.items()
        if result.get(measure) is not None
    ]
    return {"id": row.id, "name": name, "measures": measures}


def _change(found: PairedDifference | None) -> str:
    return "" if found is None else with_interval(found.difference, found.interval)
