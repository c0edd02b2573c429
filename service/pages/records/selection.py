"""The rows of a page of a selection's records, of each kind."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from service.data import records
from service.pages import words
from service.pages.records import beside, copies, statuses, views
from service.pages.records.filters import ROWS, Filter
from service.pages.records.statuses import CandidateStatuses
from service.selections.report_page import REASONS
from service.services import State
from store.jobs.results import files_of
from store.kit.json import Json
from store.results import items as selected
from store.tables.jobs import Job

Kind = Literal["selected", "left_out", "unusable", "target"]
KINDS: dict[Kind, str] = {
    "selected": "Selected",
    "left_out": "Left out",
    "unusable": "Could not be selected",
    "target": "Target",
}
Near = dict[str, tuple[str, float]]
"""By content the id of a target example and the cosine to it."""


class Similar(TypedDict):
    """What stands beside the rows of a page, by content."""

    near: Near
    texts: dict[str, str]
    """How target examples begin, by id."""
    items: dict[str, tuple[Json, float]]
    """The item that a left-out candidate is most like, and how much."""
    copies: dict[str, list[copies.NearCopy]]


EXPORTED = 1000  # rows of one step of an export


class Row(views.Shown):
    """A record of a selection, ready to be printed."""

    rank: int | None
    number: int
    score: float | None
    score_name: str
    why: str
    near: list[beside.Beside]
    copies: list[copies.NearCopy]
    href: str | None


class CountedPage(records.RecordPage):
    """A page of records as the API gives them."""

    total: int
    """How many there are in all."""


def counts(job: Job, target_count: int | None) -> list[tuple[Kind, str, int | None]]:
    """The kinds with how many there are, None where nobody counted."""
    result = job.result or {}
    told = result.get("counts", {})
    chosen = files_of(result).items.rows
    unusable = sum(told.get("left_out", {}).values())
    left = told["usable"] - chosen if "usable" in told and chosen is not None else None
    numbers: dict[Kind, int | None] = {
        "selected": chosen,
        "left_out": left,
        "unusable": unusable,
        "target": target_count,
    }
    return [(kind, what, numbers[kind]) for kind, what in KINDS.items()]


@dataclass(frozen=True, slots=True)
class RecordsOfKind:
    """The records of one kind of a completed selection."""

    state: State
    job: Job
    kind: Kind
    statuses: CandidateStatuses

    def page(self, asked: Filter, limit: int) -> tuple[list[Row], int | None, int]:
        """Rows ready to be printed, where the next page begins, and how many there are in all."""
        found = self.rows(asked, limit)
        around = self.around(found["data"])
        shown = [self.shown(row, around) for row in found["data"]]
        return shown, found["next_after"], found["total"]

    def around(self, rows: list[records.RecordView]) -> Similar:
        """What stands beside these."""
        near, hashes = self.nearest(rows), [row["record"]["content_hash"] for row in rows]
        return {
            "near": near,
            "texts": beside.target_texts(self.state, self.job, [name for name, _ in near.values()]),
            "items": self.similar(hashes) if self.kind == "left_out" else {},
            "copies": {} if self.kind == "target" else copies.of_rows(self.state, self.job, hashes),
        }

    def similar(self, hashes: list[str]) -> dict[str, tuple[Json, float]]:
        """The item that each left-out candidate is most like, where that is known."""
        told = self.statuses.similar(hashes)
        ranks = {rank for rank, _ in told.values()}
        items = selected.at(self.state.artifacts, files_of(self.job.result).items, ranks)
        return {name: (items[rank], cosine) for name, (rank, cosine) in told.items()}

    def rows(self, asked: Filter, limit: int) -> CountedPage:
        """Those that the filter keeps."""
        keep = None
        if self.kind == "target":
            sources = beside.target_sources(self.state, self.job)
        else:
            sources = statuses.sources(self.state, self.job)
            keep = self.statuses.unusable if self.kind == "unusable" else self.statuses.left_out(asked.floor)
        found = records.page(
            self.state,
            sources,
            after=asked.after,
            limit=limit,
            text=asked.text,
            extra=asked.extra,
            keep=keep,
        )
        return {**found, "total": sum(source.rows for source in sources)}

    def nearest(self, rows: list[records.RecordView]) -> Near:
        """The target that each left-out candidate is most like."""
        hashes = [row["record"]["content_hash"] for row in rows]
        return self.statuses.nearest(hashes) if self.kind == "left_out" else {}

    def shown(self, row: records.RecordView, around: Similar) -> Row:
        """A row ready to be printed."""
        record = row["record"]
        name = record["content_hash"]
        alike = around["items"].get(name)
        reason = self.statuses.reasons.get(record["id"], "") if self.kind == "unusable" else ""
        href = f"/ui/selections/{self.job.id}/candidates/{name}"
        return {
            **views.shown(record),
            "rank": None,
            "number": row["number"],
            "score": None,
            "score_name": "",
            "why": REASONS.get(reason, reason.replace("_", " ")).capitalize(),
            "near": [
                *beside.of_left_out(around["near"].get(name), around["texts"]),
                *([beside.of_similar(self.job, *alike)] if alike else []),
            ],
            "copies": around["copies"].get(name, []),
            "href": None if self.kind == "target" else href,
        }

    def status(self, record: Json, near: Near) -> Json:
        """What became of a record, as an export says it."""
        if self.kind == "unusable":
            return {"status": self.kind, "reason": self.statuses.reasons.get(record["id"])}
        found = near.get(record["content_hash"])
        told = {} if found is None else {"nearest_target": found[0], "cosine": found[1]}
        return {"status": self.kind, **told}


def page(state: State, job: Job, kind: Kind, asked: Filter) -> tuple[list[Row], int | None, int]:
    """Rows ready to be printed, where the next page begins, and how many there are in all."""
    if kind != "selected":
        return RecordsOfKind(state, job, kind, statuses.of_job(state, job)).page(asked, ROWS)
    items, following = statuses.selected_page(state, job, asked, ROWS)
    total = files_of(job.result).items.rows or 0
    texts = beside.target_texts(state, job, [name for item in items for name in beside.served_by(item)])
    held = copies.of_rows(state, job, [item["content_hash"] for item in items if "content_hash" in item])
    return [_of_item(job, item, texts, held) for item in items], following, total


def exported(state: State, job: Job, kind: Kind, asked: Filter) -> Iterator[Json]:
    """Every record that the filter keeps, from the place where the page begins, with its status."""
    if kind == "selected":
        return _exported_items(state, job, asked)
    return _exported_records(RecordsOfKind(state, job, kind, statuses.of_job(state, job)), asked)


def _exported_items(state: State, job: Job, asked: Filter) -> Iterator[Json]:
    after: int | None = asked.after
    while after is not None:
        items, after = statuses.selected_page(state, job, replace(asked, after=after), EXPORTED)
        for item in items:
            told = {name: item.get(name) for name in ("rank", "score", "weight", "why")}
            yield {**item["record"], "_evoselect": {"status": "selected", **told}}


def _exported_records(records_of: RecordsOfKind, asked: Filter) -> Iterator[Json]:
    after: int | None = asked.after
    while after is not None:
        found = records_of.rows(replace(asked, after=after), EXPORTED)
        near, after = records_of.nearest(found["data"]), found["next_after"]
        for row in found["data"]:
            yield {**row["record"], "_evoselect": records_of.status(row["record"], near)}


def _of_item(job: Job, item: Json, texts: dict[str, str], held: dict[str, list[copies.NearCopy]]) -> Row:
    name = str(item.get("content_hash") or item["id"])
    return {
        **views.shown(item["record"]),
        "rank": item["rank"],
        "number": item["rank"],
        "score": item.get("score"),
        "score_name": "score",
        "why": words.of_item(item),
        "near": beside.of_item(item, texts),
        "copies": held.get(name, []),
        "href": f"/ui/selections/{job.id}/candidates/{name}",
    }
