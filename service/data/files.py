"""Files: bytes that other requests refer to by id, such as records and feature matrices."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from evoselect.spec.fields import ShortText
from service.data import responses, views
from service.data.requests import Sha256
from service.edge.quotas import require_storage
from service.http.fair import FairRoute
from service.http.media import ARROW, BINARY, NDJSON, PARQUET, required
from service.http.parameters import Listing, ResourceId
from service.http.problems import Problem
from service.http.ranges import serve
from service.http.responses import Deleted, Page
from service.http.views import deleted, page
from service.intake.bodies import receive_into
from service.services import Services, State, TenantId
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifact, WrongHash
from store.data import files
from store.data.incoming import Incoming, incoming, put
from store.errors import NotFound

router = APIRouter(prefix="/v1/files", route_class=FairRoute, tags=["files"])

KINDS = (BINARY, NDJSON, PARQUET, ARROW)
MAX_SUFFIX = 16  # characters of a stored file's name beside its hash; file systems end at 255
BYTES = {"schema": {"type": "string", "format": "binary", "description": "The bytes."}}
ExpectedHash = Annotated[Sha256 | None, Query(description="Refuse other bytes than those with this hash.")]


@router.post(
    "",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(KINDS, BYTES)}},
)
async def create(
    *,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    name: Annotated[ShortText | None, Query(description="A name; its suffix says what it holds.")] = None,
    sha256: ExpectedHash = None,
) -> responses.File:
    """Store the body, its Content-Encoding taken off; what it holds is checked where it is used."""
    kind = required(request.headers.get("content-type"), KINDS)
    with incoming(state.artifacts) as file:
        if not await receive_into(request, file):
            raise Problem(422, "empty_file", "The file is empty: the body has 0 bytes.")
        return await run_in_threadpool(stored, state, tenant_id, file, name=name, kind=kind, sha256=sha256)


@router.get("")
def listing(
    *,
    state: Services,
    tenant_id: TenantId,
    window: Listing,
    sha256: Annotated[Sha256 | None, Query(description="Only files with these bytes.")] = None,
) -> Page[responses.File]:
    """All files, newest first; with `sha256` those that need not be sent again."""
    with state.database.transaction() as session:
        rows = files.listing(session, tenant_id, window=window, sha256=sha256)
        return page(rows, window.limit, views.file)


@router.get("/{file_id}")
def retrieve(file_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.File:
    """One file, without its bytes."""
    with state.database.transaction() as session:
        return views.file(files.get(session, tenant_id, file_id))


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={
        200: {"content": {BINARY: BYTES}},
        206: {"description": "The range that was asked for."},
        304: {"description": "As you know it."},
    },
)
def content(file_id: ResourceId, request: Request, state: Services, tenant_id: TenantId) -> Response:
    """The bytes, or one Range of them; the ETag is their sha256."""
    with state.database.transaction() as session:
        row = files.get(session, tenant_id, file_id)
    try:
        stream = state.artifacts.open(row.artifact)
    except FileNotFoundError:  # it was deleted in between
        raise NotFound("file", file_id) from None
    return serve(request, stream, size=row.size, sha256=row.sha256, media_type=row.media_type or BINARY)


@router.delete("/{file_id}")
def delete(file_id: ResourceId, state: Services, tenant_id: TenantId) -> Deleted:
    """Delete a file and its bytes; what was made from it stays."""
    with state.database.transaction() as session:
        row = files.delete(session, tenant_id, file_id)
    state.artifacts.remove(row.artifact)
    return deleted("file", file_id)


def stored(
    state: State, tenant_id: str, file: Incoming, *, name: str | None, kind: str | None, sha256: str | None
) -> responses.File:
    """The file with the bytes that came in; raises Problem when they are not those that were promised."""
    place, quota = files.fresh_place(tenant_id), StorageQuota.of(state.settings)
    require_storage(state, tenant_id, size=file.size)
    with kept(state, place.folder, file, suffix=PurePath(name or "").suffix, sha256=sha256) as artifact:
        with state.database.transaction() as session:
            row = files.create(session, tenant_id, place, artifact, quota=quota, name=name, media_type=kind)
        return views.file(row)


@contextmanager
def kept(state: State, folder: str, file: Incoming, *, suffix: str, sha256: str | None) -> Iterator[Artifact]:
    """The bytes in a folder of their own in the artifact store; removed again where the block fails.

    Raises Problem before anything is stored unless they have the hash that was promised.
    """
    plain = suffix.isascii() and suffix[1:].isalnum() and len(suffix) <= MAX_SUFFIX
    suffix = suffix if plain else ""
    try:
        artifact = put(state.artifacts, folder, file, suffix, expected=sha256)
    except WrongHash as error:
        detail = f"The bytes have the sha256 {error.found}, not {sha256}: send them again."
        raise Problem(422, "wrong_sha256", detail) from None
    try:
        yield artifact
    except BaseException:
        state.artifacts.remove(artifact.path)
        raise
