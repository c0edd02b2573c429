"""What the page of a completed selection shows first: four sentences, and examples of what was chosen."""

import pyarrow.compute as pc
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
from store.results import maps
from store.tables.jobs import Job

SHOWN = 5  # examples
POINTS = 800  # of a kind, on the map


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
        "map": _map(state, files),
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


def _map(state: State, files: SelectionFiles) -> Json | None:
    """The points that t-SNE drew, else the first of each kind in principal components."""
    if files.map is None:
        return None
    columns = ("kind", "x", "y", "tsne_x", "tsne_y")
    table = state.artifacts.get_table(files.map.path, files.map.sha256, columns)
    laid = "tsne_x" in table.column_names and table["tsne_x"].null_count < table.num_rows
    if laid:
        table = table.filter(pc.is_valid(table["tsne_x"]))
    names = {"x": "tsne_x", "y": "tsne_y"} if laid else {"x": "x", "y": "y"}
    points = {}
    for kind in maps.KINDS:
        rows = table.filter(pc.equal(table["kind"], kind)).slice(0, POINTS)
        points[kind] = {axis: rows[name].to_pylist() for axis, name in names.items()}
    labels = ["t-SNE", ""] if laid else ["first component", "second component"]
    return {"points": points, "frame": maps.frame(points.values()), "labels": labels}


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
