"""What stands beside a record: the targets that it serves or is nearest to, by their texts."""

from collections.abc import Collection
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from service.data import records
from service.html.templates import number
from service.pages.records import views
from service.services import State
from store.data import targets
from store.data.sources import Source
from store.errors import NotFound
from store.jobs.requests import SelectionNames
from store.kit.json import Json
from store.tables.jobs import Job

SERVED = 2  # targets of an item that are shown beside it


def target_sources(state: State, job: Job, target_id: str | None = None) -> list[Source]:
    """Where the examples lie that a selection was made for, or those of another target of its tenant.

    Nowhere where the target was deleted.
    """
    wanted = target_id or SelectionNames.of(job.request, job.id).target_id
    try:
        with state.database.transaction() as session:
            row = targets.get(session, job.tenant_id, wanted)
            return [Source("target", row.artifact, row.sha256, row.count)]
    except NotFound:
        return []


def target_texts(state: State, job: Job, ids: Collection[str], room: int = views.BEGINNING) -> dict[str, str]:
    """How the target examples with these ids begin."""
    return texts_of(state, target_sources(state, job), ids, room)


def texts_of(state: State, sources: list[Source], ids: Collection[str], room: int) -> dict[str, str]:
    """How the records with these ids begin, the first of each id."""
    wanted, texts = sorted(set(ids)), dict[str, str]()

    def among(table: pa.Table) -> pa.Array:
        return pc.is_in(table["id"].combine_chunks(), value_set=pa.array(wanted))

    after: int | None = 0
    while wanted and sources and after is not None and len(texts) < len(wanted):
        found = records.page(state, sources, after=after, limit=len(wanted), keep=among)
        for row in found["data"]:
            texts.setdefault(row["record"]["id"], views.beginning(row["record"], room))
        after = found["next_after"]
    return texts


class Beside(TypedDict):
    """A target or an item that stands beside a record."""

    what: str
    cosine: float
    text: str
    href: str | None


def of_item(item: Json, texts: dict[str, str]) -> list[Beside]:
    """The targets that a selected item serves most."""
    served = item.get("targets") or []
    return [_near("Serves", one["id"], one["cosine"], texts) for one in served[:SERVED]]


def of_left_out(nearest: tuple[str, float] | None, texts: dict[str, str]) -> list[Beside]:
    """The target that a candidate is most like."""
    return [] if nearest is None else [_near("Nearest target", *nearest, texts)]


def of_similar(job: Job, item: Json, cosine: float) -> Beside:
    """The item that a left-out candidate is most like."""
    return {
        "what": f"Most similar that was selected, rank {number(item['rank'])}",
        "cosine": cosine,
        "text": views.beginning(item["record"]),
        "href": f"/ui/selections/{job.id}/candidates/{item.get('content_hash', item['id'])}",
    }


def served_by(item: Json) -> list[str]:
    """Ids of the targets that stand beside an item."""
    return [one["id"] for one in (item.get("targets") or [])[:SERVED]]


def _near(what: str, name: str, cosine: float, texts: dict[str, str]) -> Beside:
    text = texts.get(name, f"example {name[:12]}, which is gone")
    return {"what": what, "cosine": cosine, "text": text, "href": None}
