"""The records of a pool that are most like one of them, from the pool's index."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypedDict

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from service.data import indexings, records, responses
from service.data.records import RecordView
from service.http.fair import FairRoute
from service.http.parameters import ResourceId
from service.http.problems import Problem
from service.http.views import as_response
from service.services import Services, State, TenantId
from store.data import nearest, pool_indexes, pools
from store.data.pool_indexes import IndexFiles
from store.data.sources import Source
from store.errors import Conflict, Invalid, NotFound
from store.kit.json import Json
from store.results import considered
from store.tables.data import Pool, PoolIndex
from store.tables.jobs import Job

router = APIRouter(prefix="/v1/pools", route_class=FairRoute, tags=["pools"])

MOST = 100
DECIMALS = 6  # of a cosine
NEEDS_WORKER = (
    "Features of a new text need the proxy model, which the API does not load. Add the text to the pool as a "
    "record, start an indexing, which reads new records alone, then send its id as record_id."
)
RecordName = Annotated[
    str | None, Query(min_length=1, max_length=256, description="Id or content hash of a record of the pool.")
]
SomeText = Annotated[
    str | None,
    Query(min_length=1, max_length=10_000, description="A text that is no record of the pool: refused."),
]
HowMany = Annotated[int, Query(ge=1, le=MOST, description="How many at most, 1 to 100.")]


class Neighbour(TypedDict):
    """A record of the pool as the answer has it."""

    object: str
    number: int
    cosine: float
    near_copy: bool | None
    record: Json


class Similar(TypedDict):
    """The answer."""

    object: str
    data: list[Neighbour]
    of: RecordView
    index: Json
    missing: int
    open_indexing_id: str | None


@router.get("/{pool_id}/similar", response_model=responses.SimilarRecords)
def similar(
    *,
    pool_id: ResourceId,
    state: Services,
    tenant_id: TenantId,
    record_id: RecordName = None,
    text: SomeText = None,
    limit: HowMany = 10,
) -> Response:
    """The records whose features are nearest to those of a record, the nearest first.

    They come from the pool's index, which `POST /v1/indexings` makes. Of several contents with the same id
    it is the first: the hash names each of them. A `text` is refused with what to do instead.
    """
    if (record_id is None) == (text is None):
        raise Problem(422, "invalid_request", "Send exactly one of record_id and text.")
    if record_id is None:
        with state.database.transaction() as session:
            pools.get(session, tenant_id, pool_id)
        raise Problem(409, "text_needs_worker", NEEDS_WORKER)
    return as_response(similar_to(state, tenant_id, pool_id, record_id, limit=limit))


def similar_to(state: State, tenant_id: str, pool_id: str, record_id: str, *, limit: int) -> Similar:
    """The same for those who have no request; raises NotFound, Invalid or Conflict with the next step."""
    with state.database.transaction() as session:
        indexed = _indexed(session, tenant_id, pool_id)
    asked = records.named(state, indexed.sources, record_id) or _repeated(state, indexed, record_id)
    if asked is None:
        raise NotFound("record", record_id)
    if asked["number"] > indexed.files.rows:
        raise Conflict(
            f"record {record_id!r:.80} came to pool {pool_id} after its index, which has version "
            f"{indexed.row.version}: {_make_again(indexed)}",
            code="record_not_indexed",
        )
    try:
        return _answer(state, indexed, asked, limit)
    except FileNotFoundError:
        raise Conflict(
            f"a file of the index of pool {pool_id} is missing: {_make_again(indexed)}", code="index_damaged"
        ) from None


@dataclass(frozen=True, slots=True)
class Indexed:
    """A pool that has an index."""

    pool: Pool
    row: PoolIndex
    files: IndexFiles
    sources: Sequence[Source]
    repeated: Sequence[str]
    """Files of the records that were received as copies."""
    open: Job | None
    """The indexing that makes a newer one."""


def _indexed(session: Session, tenant_id: str, pool_id: str) -> Indexed:
    pool = pools.get(session, tenant_id, pool_id)
    row = pool_indexes.find(session, pool_id)
    working = indexings.open_one(session, tenant_id, pool_id)
    if row is not None:
        files = IndexFiles.model_validate(row.files)
        sources = pools.sources(session, pool, pool.version)
        copies = [
            batch.repeated["path"]
            for batch in pools.batches(session, pool_id, pool.version)
            if batch.repeated
        ]
        return Indexed(pool, row, files, sources, copies, working)
    if not pool.count:
        raise Invalid(f"pool {pool_id} is empty: add candidates first", code="empty_pool")
    if working is not None:
        raise Conflict(
            f"indexing {working.id} makes the index of pool {pool_id} and is {working.status}: ask again "
            "when it is completed",
            code="index_not_ready",
        )
    chosen = indexings.newest_selection(session, tenant_id, pool_id)
    how = (
        f"POST /v1/indexings with this pool_id makes it from the features of selection {chosen.id}"
        if chosen
        else "no completed selection used it yet, so run one first, or send model and features to "
        "POST /v1/indexings"
    )
    raise Conflict(f"pool {pool_id} has no index: {how}", code="no_index")


def _repeated(state: State, indexed: Indexed, record_id: str) -> RecordView | None:
    """The stored record that holds the content of one which was received as its copy."""
    for path in indexed.repeated:
        if copy := considered.find_row(state.artifacts, path, record_id):
            return records.find(state, indexed.sources, copy["content_hash"])
    return None


def _make_again(indexed: Indexed) -> str:
    if indexed.open is not None:
        return f"ask again when indexing {indexed.open.id} is completed"
    return "POST /v1/indexings with this pool_id, which reads new rows alone"


def _answer(state: State, indexed: Indexed, asked: RecordView, limit: int) -> Similar:
    files, number = indexed.files, asked["number"] - 1
    held = nearest.row(state.artifacts, files, number)
    if held.direction is None:
        raise Conflict(
            f"record {asked['record']['id']!r:.80} has no features ({held.status}), so that nothing can be "
            "compared with it: docs/features.md says what the reason means",
            code="record_without_features",
        )
    found = nearest.nearest(state.artifacts, files, held.direction, limit, without=number)
    rows = records.at(state, indexed.sources, found.numbers.tolist())
    clusters = nearest.copies(state.artifacts, files)
    own = -1 if clusters is None else int(clusters[number])
    data: list[Neighbour] = [
        {
            "object": "similar",
            "number": row + 1,
            "cosine": round(cosine, DECIMALS),
            "near_copy": None if clusters is None else own >= 0 and int(clusters[row]) == own,
            "record": rows[row]["record"],
        }
        for row, cosine in zip(found.numbers.tolist(), found.cosines.tolist(), strict=True)
    ]
    return {
        "object": "list",
        "data": data,
        "of": asked,
        "index": _used(indexed),
        "missing": indexed.pool.count - files.rows,
        "open_indexing_id": None if indexed.open is None else indexed.open.id,
    }


def _used(indexed: Indexed) -> Json:
    row, files = indexed.row, indexed.files
    return {
        "indexing_id": row.job_id,
        "version": row.version,
        "rows": row.rows,
        "kind": files.kind,
        "exact": files.centroids is None,
        "recall": files.recall,
    }
