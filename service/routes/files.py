"""Files: bytes that other requests refer to by id, such as feature matrices."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from service import views
from service.middleware import BINARY, media_type
from service.problems import Problem
from service.routes.common import DEFAULT_LIMIT, After, Limit, ResourceId
from service.schemas import ShortText
from service.state import Services, State, TenantId
from store import files

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def create(
    request: Request, state: Services, tenant_id: TenantId, name: Annotated[ShortText | None, Query()] = None
) -> dict[str, Any]:
    """Store the body as it comes; the suffix of `name` says what it is."""
    kind = media_type(request.headers.get("content-type"))
    if kind != BINARY:
        raise Problem(415, "unsupported_media_type", f"Send the bytes as {BINARY}, not {kind or 'nothing'}.")
    descriptor, path = tempfile.mkstemp(prefix="evoselect-upload-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            async for chunk in request.stream():
                await run_in_threadpool(stream.write, chunk)
        if not Path(path).stat().st_size:
            raise Problem(422, "empty_file", "The body is empty: send the file's bytes.")
        return await run_in_threadpool(_store, state, tenant_id, Path(path), name)
    finally:
        Path(path).unlink()


@router.get("")
def listing(
    state: Services, tenant_id: TenantId, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> dict[str, Any]:
    """All files, newest first."""
    with state.database.transaction() as session:
        return views.page(files.listing(session, tenant_id, after=after, limit=limit), limit, views.file)


@router.get("/{file_id}")
def retrieve(file_id: ResourceId, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """One file, without its bytes."""
    with state.database.transaction() as session:
        return views.file(files.get(session, tenant_id, file_id))


def _store(state: State, tenant_id: str, path: Path, name: str | None) -> dict[str, Any]:
    artifact = state.artifacts.put_file(f"{tenant_id}/files", path)
    with state.database.transaction() as session:
        return views.file(files.create(session, tenant_id, artifact, name=name))
