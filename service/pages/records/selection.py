"""The rows of a page of a selection's records, of each kind."""

from collections.abc import Iterator
from typing import Literal

from service.data import records
from service.pages import words
from service.pages.records import beside, fates, views
from service.pages.records.asking import Asked
from service.pages.records.fates import Fates
from service.selections.report_page import REASONS
from service.services import State
from store.kit.json import Json
from store.tables.jobs import Job

Kind = Literal["selected", "left_out", "unusable", "target"]
KINDS: dict[Kind, str] = {
    "selected": "Selected",
    "left_out": "Left out",
    "unusable": "Could not be selected",
    "target": "Target",
}
EXPORTED = 1000  # rows of one step of an export


def counts(job: Job, target_count: int | None) -> list[tuple[Kind, str, int | None]]:
    """The kinds with how many there are, None where nobody counted."""
    result = job.result or {}
    told = result.get("counts", {})
    chosen = (result["artifacts"].get("items") or {}).get("rows")
    unusable = sum(told.get("left_out", {}).values())
    left = told["usable"] - chosen if "usable" in told and chosen is not None else None
    numbers: dict[Kind, int | None] = {
        "selected": chosen,
        "left_out": left,
        "unusable": unusable,
        "target": target_count,
    }
    return [(kind, what, numbers[kind]) for kind, what in KINDS.items()]


def page(state: State, job: Job, kind: Kind, asked: Asked, limit: int) -> tuple[list[Json], int | None, int]:
    """Rows ready to be printed, where the next page begins, and among how many was looked."""
    if kind == "selected":
        items, following = fates.selected_page(state, job, asked, limit)
        total = ((job.result or {})["artifacts"].get("items") or {}).get("rows", 0)
        texts = beside.target_texts(state, job, [name for item in items for name in beside.served_by(item)])
        return [_of_item(job, item, texts) for item in items], following, total
    return _of_pool(state, job, kind, asked, limit)


def exported(state: State, job: Job, kind: Kind, asked: Asked) -> Iterator[Json]:
    """Every record that the filter keeps, from the place where the page begins, with its fate."""
    after: int | None = asked.after
    known = None if kind == "selected" else fates.of_job(state, job)
    while after is not None:
        step = Asked(asked.search, asked.column, asked.value, asked.least, after, asked.floor)
        if known is None:
            items, after = fates.selected_page(state, job, step, EXPORTED)
            for item in items:
                yield {**item["record"], "_evoselect": {"status": "selected"} | _told(item)}
            continue
        found = _rows(state, job, kind, step, EXPORTED, known)
        after = found["next_after"]
        near = known.nearest([row["record"]["content_hash"] for row in found["data"]])
        for row in found["data"]:
            yield {**row["record"], "_evoselect": _fate(kind, row["record"], known, near)}


def _told(item: Json) -> Json:
    return {name: item.get(name) for name in ("rank", "score", "weight", "why")}


def _fate(kind: Kind, record: Json, known: Fates, near: dict[str, tuple[str, float]]) -> Json:
    if kind == "unusable":
        return {"status": kind, "reason": known.reasons.get(record["id"])}
    found = near.get(record["content_hash"]) if kind == "left_out" else None
    return {"status": kind} | ({"nearest_target": found[0], "cosine": found[1]} if found else {})


def _of_pool(
    state: State, job: Job, kind: Kind, asked: Asked, limit: int
) -> tuple[list[Json], int | None, int]:
    known = fates.of_job(state, job)
    found = _rows(state, job, kind, asked, limit, known)
    near = known.nearest([row["record"]["content_hash"] for row in found["data"]])
    texts = beside.target_texts(state, job, [name for name, _ in near.values()])
    rows = [_of_record(job, kind, row, known, near, texts) for row in found["data"]]
    return rows, found["next_after"], found["total"]


def _rows(state: State, job: Job, kind: Kind, asked: Asked, limit: int, known: Fates) -> Json:
    if kind == "target":
        sources, keep = beside.target_sources(state, job.tenant_id, job.request["target_id"]), None
    else:
        sources = fates.sources(state, job)
        keep = known.unusable if kind == "unusable" else known.left_out(asked.floor)
    found = records.page(
        state, sources, after=asked.after, limit=limit, text=asked.text, extra=asked.extra, keep=keep
    )
    return {**found, "total": sum(source.rows for source in sources)}


def _of_item(job: Job, item: Json, texts: dict[str, str]) -> Json:
    name = item.get("content_hash", item["id"])
    return {
        **views.shown(item["record"]),
        "rank": item["rank"],
        "number": item["rank"],
        "score": item.get("score"),
        "score_name": "score",
        "why": words.of_item(item),
        "near": beside.of_item(item, texts),
        "href": f"/ui/selections/{job.id}/candidates/{name}",
    }


def _of_record(
    job: Job,
    kind: Kind,
    row: Json,
    known: Fates,
    near: dict[str, tuple[str, float]],
    texts: dict[str, str],
) -> Json:
    record, left = row["record"], kind == "left_out"
    reason = known.reasons.get(record["id"], "") if kind == "unusable" else ""
    return {
        **views.shown(record),
        "rank": None,
        "number": row["number"],
        "score": None,
        "score_name": "",
        "why": REASONS.get(reason, reason.replace("_", " ")).capitalize() if reason else "",
        "near": beside.of_left_out(near.get(record["content_hash"]), texts) if left else [],
        "href": None if kind == "target" else f"/ui/selections/{job.id}/candidates/{record['content_hash']}",
    }
