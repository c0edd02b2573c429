"""One candidate of a selection: why it is in, or why it is out."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal, TypedDict

import orjson
from fastapi import APIRouter, Path, Response

from service.http.fair import FairRoute
from service.http.parameters import ResourceId
from service.http.views import as_response
from service.jobs.results import completed
from service.selections import responses
from service.services import Services, State, TenantId
from store.data import pools
from store.errors import NotFound
from store.jobs.requests import SelectionNames
from store.jobs.results import SelectionFiles, files_of
from store.kit.json import Json
from store.results import considered
from store.results import items as selected
from store.tables.data import Batch

router = APIRouter(prefix="/v1/selections", route_class=FairRoute, tags=["selections"])

UNKNOWN: Json = {
    "object": "selection.candidate",
    **dict.fromkeys(("item", "nearest_target", "nearest_item", "last_selected", "cluster")),
    "leaks": [],
}

CandidateId = Annotated[
    str, Path(min_length=1, max_length=256, description="Id or content hash of the candidate.")
]


@router.get("/{job_id}/candidates/{candidate_id:path}", response_model=responses.Candidate)
def candidate(
    job_id: ResourceId, candidate_id: CandidateId, state: Services, tenant_id: TenantId
) -> Response:
    """Why the candidate with that id, or that content hash, was selected or was not.

    Of several contents with the same id it is the one of best rank, else the one that came first: the hash
    names each of them.
    """
    return as_response(told_of(state, tenant_id, job_id, candidate_id))


def told_of(state: State, tenant_id: str, job_id: str, candidate_id: str) -> Json:
    """The same for those who have no request; raises NotFound, or Problem 409 before it is completed."""
    job = completed(state, tenant_id, job_id, what="candidates")
    files = files_of(job.result)
    item = selected.find(state.artifacts, files.items, candidate_id)
    if item is not None and "content_hash" in item:
        return _told(state, files, Own(item["id"], item["content_hash"]), _chosen(item))
    asked = SelectionNames.of(job.request, job.id)
    with state.database.transaction() as session:
        batches = pools.batches(session, asked.pool_id, asked.pool_version)
    known = _in_pool(state, batches, candidate_id)
    if known is None:
        raise NotFound("candidate", candidate_id)
    return _told(state, files, known, _eligibility(state, files, known))


@dataclass(frozen=True, slots=True)
class Own:
    """The stored record that holds the candidate's content."""

    id: str
    content_hash: str
    repeated: bool = False
    """Whether the candidate was received as a copy of it."""


class Why(TypedDict, total=False):
    """What became of a candidate; what is left out is null in the response."""

    status: Literal["selected", "not_selected", "not_usable"]
    reason: str
    item: Json
    nearest_target: "Near | None"
    nearest_item: "NearItem | None"
    last_selected: dict[str, object]


class Near(TypedDict):
    """The target that a candidate is most like."""

    id: str
    cosine: float


class NearItem(Near):
    """The item that a candidate is most like."""

    rank: int
    content_hash: str | None


class Flagged(TypedDict, total=False):
    """What it nearly repeats; empty where that is nothing, and where nobody searched."""

    cluster: dict[str, object] | None
    leaks: list[dict[str, object]]


def _told(state: State, files: SelectionFiles, own: Own, why: Why) -> Json:
    return {**UNKNOWN, **asdict(own), **_flags(state, files, own.content_hash), **why}


def _in_pool(state: State, batches: list[Batch], name: str) -> Own | None:
    for batch in batches:
        if found := considered.find_row(state.artifacts, batch.artifact, name):
            return Own(found["id"], found["content_hash"])
    for batch in batches:
        if batch.repeated and (copy := considered.find_row(state.artifacts, batch.repeated["path"], name)):
            for other in batches:
                if found := considered.find_row(state.artifacts, other.artifact, copy["content_hash"]):
                    return Own(found["id"], found["content_hash"], repeated=True)
    return None


def _eligibility(state: State, files: SelectionFiles, own: Own) -> Why:
    item = selected.find(state.artifacts, files.items, own.id, own.content_hash)
    if item is not None:
        return _chosen(item)
    (nearest, similar), rejected = _nearest(state, files, own), files.rejected
    if nearest is None and rejected:  # whose lines hold ids: another content may have the same one
        reason = considered.rejection(state.artifacts, rejected, own.id)
        if reason is not None:
            return {"status": "not_usable", "reason": reason}
    (text,) = selected.read(state.artifacts, files.items, after=(files.items.rows or 0) - 1, limit=1)
    last = orjson.loads(text)
    last_selected = {name: last.get(name) for name in ("rank", "id", "score", "ot_gradient", "redundancy")}
    last_selected["cosine"] = max((target["cosine"] for target in last.get("targets", ())), default=None)
    return {
        "status": "not_selected",
        "reason": "it could have been selected; the selected set serves the targets at less cost without it",
        "nearest_target": nearest,
        "nearest_item": similar,
        "last_selected": last_selected,
    }


def _flags(state: State, files: SelectionFiles, content_hash: str) -> Flagged:
    stored, names = files.near_copies, ("cluster", "leaks")
    row = stored and considered.find_row(state.artifacts, stored.path, content_hash, more=names)
    if not row:
        return {}
    return {"cluster": orjson.loads(row["cluster"]), "leaks": orjson.loads(row["leaks"])}


def _chosen(item: Json) -> Why:
    return {"status": "selected", "reason": item.get("why") or "selected", "item": item}


def _nearest(state: State, files: SelectionFiles, own: Own) -> tuple[Near | None, NearItem | None]:
    """The target and the item that it is most like; None for jobs that did not store them."""
    if files.considered is None:
        return None, None
    columns = ("nearest_target", "cosine", "item_rank", "item_cosine")
    row = considered.find_row(state.artifacts, files.considered.path, own.content_hash, more=columns)
    if row is None:
        return None, None
    return {"id": row["nearest_target"], "cosine": row["cosine"]}, _near_item(state, files, row)


def _near_item(state: State, files: SelectionFiles, row: Json) -> NearItem | None:
    rank = row.get("item_rank")
    if rank is None:
        return None
    item = selected.at(state.artifacts, files.items, {rank})[rank]
    return {
        "rank": rank,
        "id": item["id"],
        "content_hash": item.get("content_hash"),
        "cosine": row["item_cosine"],
    }
