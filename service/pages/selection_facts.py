"""What the page of a completed selection shows first: four sentences, and examples of what was chosen."""

from pydantic import ValidationError

from service.pages import words
from service.pages.records import beside, views
from service.selections.report_document import stored_numbers, target_texts
from service.selections.report_responses import ReportedTargets
from service.selections.report_summary import summary
from service.selections.result_responses import Diagnostics, RowCounts
from service.services import State
from store.artifacts import StoredFile
from store.jobs.results import SelectionFiles, files_of
from store.kit.json import Json
from store.results import items as selected
from store.tables.jobs import Job

SHOWN = 5  # examples


def of_selection(state: State, job: Job) -> Json | None:
    """None while there is nothing to show."""
    try:
        files = files_of(job.result)
        lines = _summary(state, job, files)
    except ValidationError:  # not completed, or a row of another shape
        return None
    return {
        "summary": lines,
        "examples": _examples(state, job, files.items),
        "table": files.table is not None,
        "reported": files.report is not None,
    }


def _examples(state: State, job: Job, stored: StoredFile) -> list[Json]:
    items = selected.first(state.artifacts, stored, SHOWN)
    texts = beside.target_texts(state, job, [name for item in items for name in beside.served_by(item)])
    return [
        {
            **views.shown(item["record"]),
            "rank": item["rank"],
            "why": words.of_item(item),
            "near": beside.of_item(item, texts),
        }
        for item in items
    ]


def _summary(state: State, job: Job, files: SelectionFiles) -> list[str]:
    result = job.result or {}
    if files.report is None:
        return [f"{files.items.rows or 0:,} candidates were chosen."]
    numbers, texts = stored_numbers(state.artifacts, files.report), target_texts(state.artifacts, job)
    diagnostics = Diagnostics.model_validate(result["diagnostics"])
    return summary(
        counts=RowCounts.model_validate(result["counts"]),
        diagnostics=diagnostics,
        against=diagnostics.metrics or {},
        targets=ReportedTargets.model_validate(numbers["targets"]),
        texts=texts,
    ).lines()
