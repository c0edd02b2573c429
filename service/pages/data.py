"""Pages of targets, pools and files: lists, one of them with its records, and the card that a form shows."""

from typing import Any, TypedDict

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from service.data import records
from service.data import views as as_answers
from service.data.responses import Batch, Recognised
from service.html.templates import number
from service.http.parameters import After, ResourceId
from service.pages import facts
from service.pages.forms import FORMATS
from service.pages.records import similar, views
from service.pages.records.filters import ROWS, Filter, FilterQuery, browsed
from service.pages.rendering import PageRoute, render
from service.services import Services, State, TenantId
from store.data import files, pools, targets
from store.data.sources import Source
from store.kit.json import Json
from store.tables.data import File, Pool, Target
from store.tables.owned import Window

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

PAGE = 50  # rows of a list
BATCHES = 20  # newest that the page of a pool shows
BEGINNING = 2_000  # bytes of a file that its page shows
ABOUT = {
    "targets": "Examples of the tasks that candidates are chosen for.",
    "pools": "Candidates to choose from. A pool grows batch by batch.",
    "files": "Bytes as they were sent. Targets and pools are made from them.",
}
EMPTY = {
    "targets": "A new selection takes a file with examples and makes a target of it.",
    "pools": "A new selection takes a file with candidates and makes a pool of it.",
    "files": "What you drop into a new selection is stored here first.",
}
BEGIN = {"href": "/ui/selections/new", "what": "New selection"}
Row = Target | Pool | File


class Line(TypedDict):
    """A row as lists and forms name it."""

    id: str
    name: str
    """Its own, or what it is and when it was made."""
    given: str
    """Its own name; empty without."""
    beside: str
    """Media type of a file, metadata of others."""
    size: str
    created: str


class NotedLine(Line):
    """The same, and what is to be known of it before it is used."""

    note: str


class Card(TypedDict):
    """What a form shows of the target or the pool that was chosen."""

    row: NotedLine
    found: Recognised
    total: int
    """Rows of known shapes."""


@router.get("/targets")
def target_list(request: Request, state: Services, tenant_id: TenantId, after: After = None) -> Response:
    """All targets, newest first."""
    with state.database.transaction() as session:
        rows = targets.listing(session, tenant_id, window=Window(after, PAGE))
        return _listing(request, "targets", rows, after)


@router.get("/pools")
def pool_list(request: Request, state: Services, tenant_id: TenantId, after: After = None) -> Response:
    """All pools, newest first."""
    with state.database.transaction() as session:
        rows = pools.listing(session, tenant_id, window=Window(after, PAGE))
        return _listing(request, "pools", rows, after)


@router.get("/files")
def file_list(request: Request, state: Services, tenant_id: TenantId, after: After = None) -> Response:
    """All files, newest first."""
    with state.database.transaction() as session:
        rows = files.listing(session, tenant_id, window=Window(after, PAGE))
        return _listing(request, "files", rows, after)


@router.get("/targets/{target_id}")
def target_page(
    *, request: Request, target_id: ResourceId, state: Services, tenant_id: TenantId, asked: FilterQuery
) -> Response:
    """One target with its examples."""
    with state.database.transaction() as session:
        row = targets.get(session, tenant_id, target_id)
        shown = {**as_answers.target(row).model_dump(mode="json"), **line(row)}
        sources = [Source("target", row.artifact, row.sha256, row.count)]
    extras = shown["recognised"]["extra"]
    return render(request, "data/target.html", row=shown, **_browsed(state, sources, asked, extras))


@router.get("/pools/{pool_id}")
def pool_page(
    *, request: Request, pool_id: ResourceId, state: Services, tenant_id: TenantId, asked: FilterQuery
) -> Response:
    """One pool with its batches and its candidates."""
    with state.database.transaction() as session:
        row = pools.get(session, tenant_id, pool_id)
        newest = pools.batch_listing(session, pool_id, after=max(0, row.version - BATCHES), limit=BATCHES)
        batches = [as_answers.batch(batch) for batch in reversed(newest)]
        shown = {**as_answers.pool(row).model_dump(mode="json"), **line(row)}
        sources = pools.sources(session, row, row.version)
    extras = sorted({name for batch in batches for name in batch.recognised.extra})
    held = _browsed(state, sources, asked, extras)
    for one in held["browsed"]["rows"]:
        one["similar"] = similar.address(pool_id, one["content_hash"])
    return render(request, "data/pool.html", row=shown, batches=batches, formats=FORMATS, **held)


@router.get("/files/{file_id}")
def file_page(request: Request, file_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """One file and how it begins."""
    with state.database.transaction() as session:
        row = files.get(session, tenant_id, file_id)
        shown = {**line(row), "sha256": row.sha256}
    return render(request, "data/file.html", row=shown, beginning=_beginning(state, row))


@router.get("/{noun}/{row_id}/card")
def card(
    *, request: Request, noun: str, row_id: ResourceId, state: Services, tenant_id: TenantId
) -> Response:
    """What a form shows of the target or the pool that was chosen."""
    with state.database.transaction() as session:
        found = chosen(session, tenant_id, "targets" if noun == "targets" else "pools", row_id)
    return render(request, "data/card.html", noun=noun, **found)


def chosen(session: Session, tenant_id: str, noun: str, row_id: str) -> Card:
    """The row in words, and what its rows were recognised as; raises NotFound."""
    if noun == "targets":
        target = targets.get(session, tenant_id, row_id)
        note = "some are kept apart for evaluations" if target.held_out_target_id else ""
        found = as_answers.recognised(target.recognised)
        return {"row": {**line(target), "note": note}, "found": found, "total": _shaped(found)}
    pool = pools.get(session, tenant_id, row_id)
    newest = pools.batch_listing(session, row_id, after=max(0, pool.version - 1), limit=1)
    told = as_answers.batch(newest[0]) if newest else None
    found = told.recognised if told else as_answers.recognised({})
    return {"row": {**line(pool), "note": _note(told)}, "found": found, "total": _shaped(found)}


def line(row: Row) -> Line:
    """A row as lists and forms name it."""
    kind = {Target: "target", Pool: "pool", File: "file"}[type(row)]
    if isinstance(row, File):
        size, beside = facts.size(row.size), row.media_type or ""
    else:
        size = f"{number(row.count)} {'examples' if kind == 'target' else 'candidates'}"
        beside = ", ".join(f"{name}: {value}" for name, value in row.user_metadata.items())
    return {
        "id": row.id,
        "name": facts.title(row.name, kind, row.created_at),
        "given": row.name or "",
        "beside": beside,
        "size": size,
        "created": f"{row.created_at:%d %b %Y, %H:%M} UTC",
    }


def _listing(request: Request, noun: str, rows: list[Any], after: str | None) -> Response:
    return render(
        request,
        "data/list.html",
        noun=noun,
        about=ABOUT[noun],
        empty=EMPTY[noun],
        begin=BEGIN,
        rows=[line(row) for row in rows[:PAGE]],
        first=after is None,
        more=rows[PAGE - 1].id if len(rows) > PAGE else "",
    )


def _browsed(state: State, sources: list[Source], asked: Filter, extras: list[str]) -> Json:
    found = records.page(state, sources, after=asked.after, limit=ROWS, text=asked.text, extra=asked.extra)
    rows = [
        {**views.shown(row["record"]), "number": row["number"], "content_hash": row["record"]["content_hash"]}
        for row in found["data"]
    ]
    total = sum(source.rows for source in sources)
    return {
        "browsed": browsed(asked, rows, found["next_after"], total),
        "asked": asked,
        "kept": [],
        "scored": "",
        "fault": asked.fault,
        "extras": extras,
    }


def _shaped(found: Recognised) -> int:
    return sum(found.shapes.values())


def _note(batch: Batch | None) -> str:
    """What became of the rows of the newest batch."""
    if batch is None:
        return "empty"
    counts, told = batch.counts, [f"{batch.counts.received:,} received"]
    told += [f"{counts.duplicates:,} repeat others"] if counts.duplicates else []
    told += [f"{counts.rejected:,} rejected"] if counts.rejected else []
    return ", ".join(told)


def _beginning(state: State, row: File) -> str:
    """The first bytes as text; empty for what is none."""
    with state.artifacts.open(row.artifact) as stream:
        first = stream.read(BEGINNING)
    try:
        text = first.decode()
    except UnicodeDecodeError as error:
        text = first[: error.start].decode() if error.start > BEGINNING - 4 else ""
    return text if text.isprintable() or "\n" in text else ""
