"""One candidate of a selection: why it is in, or why it is out."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Response

from service.http.fair import FairRoute
from service.http.parameters import ResourceId
from service.http.views import as_response
from service.jobs.results import artifact, completed
from service.selections import responses
from service.services import Services, State, TenantId
from store.data import pools
from store.errors import NotFound
from store.jobs.requests import SelectionNames
from store.results import considered
from store.results import items as selected
from store.tables.data import Batch
from store.tables.jobs import Job

router = APIRouter(prefix="/v1/selections", route_class=FairRoute, tags=["selections"])

UNKNOWN: dict[str, Any] = {
    "object": "selection.candidate",
    **dict.fromkeys(("item", "nearest_target", "last_selected", "cluster")),
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


def told_of(state: State, tenant_id: str, job_id: str, candidate_id: str) -> dict[str, Any]:
    """The same for those who have no request; raises NotFound, or Problem 409 before it is completed."""
    job = completed(state, tenant_id, job_id, what="candidates")
    item = selected.find(state.artifacts, artifact(job, "items") or {}, candidate_id)
    if item is not None and "content_hash" in item:
        found: dict[str, Any] = {"id": item["id"], "content_hash": item["content_hash"], "repeated": False}
        found |= _flags(state, job, item["content_hash"])
        return {**UNKNOWN, **found, **_chosen(item)}
    asked = SelectionNames.of(job.request, job.id)
    with state.database.transaction() as session:
        batches = pools.batches(session, asked.pool_id, asked.pool_version)
    known = _in_pool(state, batches, candidate_id)
    if known is None:
        raise NotFound("candidate", candidate_id)
    own, repeated = known
    found = {"id": own["id"], "content_hash": own["content_hash"], "repeated": repeated}
    found |= _flags(state, job, own["content_hash"])
    return {**UNKNOWN, **found, **_eligibility(state, job, own)}


def _in_pool(state: State, batches: list[Batch], name: str) -> tuple[dict[str, str], bool] | None:
    """The stored record that holds the candidate's content, and whether the candidate was a copy of it."""
    for batch in batches:
        if found := considered.find_row(state.artifacts, batch.artifact, name):
            return found, False
    for batch in batches:
        if batch.repeated and (copy := considered.find_row(state.artifacts, batch.repeated["path"], name)):
            for other in batches:
                if found := considered.find_row(state.artifacts, other.artifact, copy["content_hash"]):
                    return found, True
    return None


def _eligibility(state: State, job: Job, own: dict[str, Any]) -> dict[str, Any]:
    items = artifact(job, "items") or {}
    item = selected.find(state.artifacts, items, own["id"], own["content_hash"])
    if item is not None:
        return _chosen(item)
    nearest, rejected = _nearest(state, job, own), artifact(job, "rejected")
    if nearest is None and rejected:  # whose lines hold ids: another content may have the same one
        reason = considered.rejection(state.artifacts, rejected, own["id"])
        if reason is not None:
            return {"status": "not_usable", "reason": reason}
    (text,) = selected.read(state.artifacts, items, after=items["rows"] - 1, limit=1)
    last = orjson.loads(text)
    last_selected = {name: last.get(name) for name in ("rank", "id", "score", "ot_gradient", "redundancy")}
    last_selected["cosine"] = max((target["cosine"] for target in last.get("targets", ())), default=None)
    return {
        "status": "not_selected",
        "reason": "it could have been selected; the selected set serves the targets at less cost without it",
        "nearest_target": nearest,
        "last_selected": last_selected,
    }


def _flags(state: State, job: Job, content_hash: str) -> dict[str, Any]:
    """{cluster, leaks}; empty for a candidate that nearly repeats nothing, and where nobody looked."""
    stored, names = artifact(job, "near_copies"), ("cluster", "leaks")
    row = stored and considered.find_row(state.artifacts, stored["path"], content_hash, more=names)
    return {name: orjson.loads(row[name]) for name in names} if row else {}


def _chosen(item: dict[str, Any]) -> dict[str, Any]:
    return {"status": "selected", "reason": item.get("why") or "selected", "item": item}


def _nearest(state: State, job: Job, own: dict[str, Any]) -> dict[str, Any] | None:
    """{id, cosine} of the target that the candidate is most like; None for jobs that did not store it."""
    stored = artifact(job, "considered")
    if stored is None:
        return None
    columns = ("nearest_target", "cosine")
    row = considered.find_row(state.artifacts, stored["path"], own["content_hash"], more=columns)
    return None if row is None else {"id": row["nearest_target"], "cosine": row["cosine"]}
