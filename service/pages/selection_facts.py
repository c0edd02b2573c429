"""What the page of a completed selection shows first: four sentences, and examples of what was chosen."""

from service.jobs.results import artifact
from service.pages import words
from service.pages.records import beside, views
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
        "examples": _examples(state, job, stored),
        "table": artifact(job, "table") is not None,
        "reported": artifact(job, "report") is not None,
    }


def _examples(state: State, job: Job, stored: Json) -> list[Json]:
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


def _summary(state: State, job: Job, count: int) -> list[str]:
    stored, result = artifact(job, "report"), job.result or {}
    if stored is None:
        return [f"{count:,} candidates were chosen."]
    numbers, texts = stored_numbers(state.artifacts, stored), target_texts(state.artifacts, job)
    diagnostics = result["diagnostics"]
    return summary(
        counts=result["counts"],
        diagnostics=diagnostics,
        against=diagnostics.get("metrics", {}),
        targets=numbers["targets"],
        texts=texts,
    ).lines()
