"""What the page of a completed selection shows first: four sentences, and examples of what was chosen."""

from service.jobs.results import artifact
from service.pages.records import views
from service.selections.report_document import stored_numbers, target_texts
from service.selections.report_summary import summary
from service.services import State
from store.kit.json import Json
from store.results import items as selected
from store.tables.jobs import Job

SHOWN = 5  # examples


def of_selection(state: State, job: Job) -> Json | None:
    """None while there is nothing to show."""
    stored = artifact(job, "items") if job.result else None
    if not stored or "path" not in stored:
        return None
    return {
        "summary": _summary(state, job, int(stored["rows"])),
        "examples": [
            {**views.shown(item["record"]), "rank": item["rank"], "why": item.get("why") or ""}
            for item in selected.first(state.artifacts, stored, SHOWN)
        ],
        "table": artifact(job, "table") is not None,
        "reported": artifact(job, "report") is not None,
    }


def _summary(state: State, job: Job, count: int) -> list[str]:
    stored, result = artifact(job, "report"), job.result or {}
    if stored is None:
        return [f"{count:,} candidates were chosen."]
    numbers, texts = stored_numbers(state.artifacts, stored), target_texts(state.artifacts, job)
    diagnostics = result["diagnostics"]
    return summary(
        result["counts"], diagnostics, diagnostics.get("metrics", {}), numbers["targets"], texts
    ).lines()
