"""Uploads: a file in parts, so that a cut connection costs one part and not the file."""

import contextlib
import hashlib
import shutil
from pathlib import PurePath
from typing import IO, Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service.data import responses, views
from service.data.files import BYTES, ExpectedHash, kept
from service.data.requests import CompleteRequest, UploadRequest
from service.edge.idempotency import OnceOnly
from service.edge.quotas import require_storage
from service.http.media import BINARY, required
from service.http.parameters import Listing, ResourceId
from service.http.problems import Problem
from service.http.responses import Page
from service.http.strict_json import StrictRoute
from service.http.views import page
from service.intake.bodies import receive_into
from service.services import Services, State, TenantId
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifact
from store.data import files, uploads
from store.data.files import Place
from store.data.incoming import Incoming, incoming
from store.tables.uploads import Upload, UploadPart

router = APIRouter(prefix="/v1/uploads", route_class=StrictRoute, tags=["uploads"])

COPY = 2**20  # bytes of a part held at a time
Number = Annotated[
    int, Path(ge=1, le=uploads.MAX_PARTS, description="The place of the part in the file, from 1.")
]


@router.post("", status_code=201)
def create(body: UploadRequest, state: Services, tenant_id: TenantId, once: OnceOnly) -> responses.Upload:
    """Start an upload; it expires when it is not complete within a day."""

    def store(session: Session) -> str:
        seconds = state.settings.upload_seconds
        return uploads.create(session, tenant_id, name=body.name, seconds=seconds).id

    return retrieve(once.run(body, store), state, tenant_id)


@router.get("")
def listing(state: Services, tenant_id: TenantId, window: Listing) -> Page[responses.Upload]:
    """All uploads, newest first."""
    with state.database.transaction() as session:
        rows = uploads.listing(session, tenant_id, window=window)
        return page(rows, window.limit, lambda row: views.upload(row, uploads.parts(session, row.id)))


@router.get("/{upload_id}")
def retrieve(upload_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Upload:
    """One upload with the parts that have arrived: what is missing is to be sent."""
    with state.database.transaction() as session:
        return _view(session, uploads.get(session, tenant_id, upload_id))


@router.put(
    "/{upload_id}/parts/{number}",
    openapi_extra={"requestBody": {"required": True, "content": {BINARY: BYTES}}},
)
async def put_part(
    *,
    upload_id: ResourceId,
    number: Number,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    sha256: ExpectedHash = None,
) -> responses.UploadPart:
    """Store the body as one part; the same bytes under the same number may come again."""
    await run_in_threadpool(_require_open, state, tenant_id, upload_id)
    required(request.headers.get("content-type"), (BINARY,))
    with incoming(state.artifacts) as file:
        if not await receive_into(request, file):
            raise Problem(422, "empty_file", "The body is empty: send the part's bytes.")
        return await run_in_threadpool(
            _store_part, state, tenant_id, upload_id, number, file=file, sha256=sha256
        )


@router.post("/{upload_id}/complete")
def complete(
    upload_id: ResourceId, body: CompleteRequest, state: Services, tenant_id: TenantId
) -> responses.Upload:
    """Join the parts into a file, `file_id`; completing again answers the same."""
    with state.database.transaction() as session:
        upload = uploads.get(session, tenant_id, upload_id)
        if upload.status == "completed":
            return _view(session, upload)
        upload = uploads.lock_open(session, tenant_id, upload_id)
        parts = uploads.parts(session, upload_id)
    _require_whole(parts)
    place, suffix = files.fresh_place(tenant_id), PurePath(upload.name or "").suffix
    with incoming(state.artifacts) as file:
        _join(state, parts, file)
        if file.sha256 != body.sha256:  # else no part can be damaged
            _require_undamaged(state, parts)
        with kept(state, place.folder, file, suffix=suffix, sha256=body.sha256) as artifact:
            return _completed(state, tenant_id, upload_id, joined=parts, place=place, artifact=artifact)


@router.post("/{upload_id}/cancel")
def cancel(upload_id: ResourceId, state: Services, tenant_id: TenantId) -> responses.Upload:
    """Drop the upload and its parts; cancelling again answers the same."""
    with state.database.transaction() as session:
        upload = uploads.lock(session, tenant_id, upload_id)
        if upload.status == "cancelled":
            return _view(session, upload)
        paths = uploads.end(session, uploads.lock_open(session, tenant_id, upload_id), "cancelled")
        answer = _view(session, upload)
    _remove(state, paths)
    return answer


def _view(session: Session, upload: Upload) -> responses.Upload:
    return views.upload(upload, uploads.parts(session, upload.id))


def _require_open(state: State, tenant_id: str, upload_id: str) -> None:
    with state.database.transaction() as session:
        uploads.lock_open(session, tenant_id, upload_id)


def _store_part(
    state: State, tenant_id: str, upload_id: str, number: int, *, file: Incoming, sha256: str | None
) -> responses.UploadPart:
    require_storage(state, tenant_id, size=file.size)
    with kept(state, uploads.fresh_folder(tenant_id, upload_id), file, suffix="", sha256=sha256) as artifact:
        with state.database.transaction() as session:
            upload = uploads.lock_open(session, tenant_id, upload_id)
            part = uploads.add_part(session, upload, number, artifact, quota=StorageQuota.of(state.settings))
        if part.artifact != artifact.path:  # it had come before
            state.artifacts.remove(artifact.path)
        return views.upload_part(part)


def _completed(
    state: State,
    tenant_id: str,
    upload_id: str,
    *,
    joined: list[UploadPart],
    place: Place,
    artifact: Artifact,
) -> responses.Upload:
    """The upload with the file that its parts were joined into; raises Conflict where others came since."""
    with state.database.transaction() as session:
        upload = uploads.lock(session, tenant_id, upload_id)
        if upload.status == "completed":  # by another request meanwhile
            state.artifacts.remove(artifact.path)
            return _view(session, upload)
        uploads.lock_open(session, tenant_id, upload_id)
        uploads.require_same(session, upload_id, joined)
        paths = uploads.end(session, upload, "completed", file_id=place.id)
        quota = StorageQuota.of(state.settings)
        files.create(session, tenant_id, place, artifact, quota=quota, name=upload.name)
        answer = _view(session, upload)
    _remove(state, paths)
    return answer


def _require_whole(parts: list[UploadPart]) -> None:
    if not parts:
        raise Problem(422, "empty_file", "The upload has no parts: send at least 1.")
    missing = sorted(set(range(1, parts[-1].number + 1)) - {part.number for part in parts})
    if missing:
        detail = f"Parts {', '.join(map(str, missing[:20]))} of {parts[-1].number} are missing: send them."
        raise Problem(409, "parts_missing", detail)


def _join(state: State, parts: list[UploadPart], file: IO[bytes]) -> None:
    for part in parts:
        with contextlib.closing(state.artifacts.open(part.artifact)) as stream:
            shutil.copyfileobj(stream, file, COPY)


def _require_undamaged(state: State, parts: list[UploadPart]) -> None:
    for part in parts:
        with contextlib.closing(state.artifacts.open(part.artifact)) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        if found != part.sha256:
            detail = f"Part {part.number} was damaged where it lies: cancel the upload and start a new one."
            raise Problem(409, "part_damaged", detail)


def _remove(state: State, paths: list[str]) -> None:
    for path in paths:
        state.artifacts.remove(path)
