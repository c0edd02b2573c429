"""Resumable uploads: parts by number, completed into a file, cancelled, or expired."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifact
from store.errors import Conflict
from store.kit.ids import new_id
from store.tables import owned
from store.tables.owned import Window
from store.tables.uploads import Upload, UploadPart

MAX_PARTS = 10_000
OPEN = "pending"


def create(session: Session, tenant_id: str, *, name: str | None, seconds: int) -> Upload:
    """An upload without parts that expires after so many seconds."""
    expires = func.clock_timestamp() + timedelta(seconds=seconds)
    upload = Upload(id=new_id("upl"), tenant_id=tenant_id, name=name, status=OPEN, expires_at=expires)
    session.add(upload)
    session.flush()
    session.refresh(upload)
    return upload


def get(session: Session, tenant_id: str, upload_id: str) -> Upload:
    """The tenant's upload; raises NotFound."""
    return owned.get(session, Upload, tenant_id, upload_id, noun="upload")


def parts(session: Session, upload_id: str) -> list[UploadPart]:
    """In the order of their numbers."""
    query = select(UploadPart).where(UploadPart.upload_id == upload_id).order_by(UploadPart.number)
    return list(session.scalars(query))


def listing(session: Session, tenant_id: str, *, window: Window) -> list[Upload]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    return owned.listed(session, Upload, tenant_id, window=window)


def lock_open(session: Session, tenant_id: str, upload_id: str) -> Upload:
    """The same for an upload that still takes parts; raises Conflict for others."""
    upload = lock(session, tenant_id, upload_id)
    late = session.scalar(select(Upload.expires_at < func.clock_timestamp()).where(Upload.id == upload_id))
    if upload.status != OPEN or late:
        status = "expired" if upload.status == OPEN else upload.status
        raise Conflict(f"upload {upload_id} is {status}: start a new one", code="upload_ended")
    return upload


def lock(session: Session, tenant_id: str, upload_id: str) -> Upload:
    """The upload, changed by nobody else until the transaction ends; raises NotFound."""
    get(session, tenant_id, upload_id)
    query = select(Upload).where(Upload.id == upload_id).with_for_update()
    return session.execute(query.execution_options(populate_existing=True)).scalar_one()


def add_part(
    session: Session, upload: Upload, number: int, artifact: Artifact, *, quota: StorageQuota
) -> UploadPart:
    """The part of that number; the same bytes again change nothing, others raise Conflict. Or OverQuota."""
    known = session.get(UploadPart, (upload.id, number))
    if known is not None:
        if known.sha256 != artifact.sha256:
            raise Conflict(
                f"part {number} of upload {upload.id} holds other bytes (sha256 {known.sha256}): "
                "send it under another number, or cancel the upload",
                code="part_conflict",
            )
        return known
    quotas.take(session, upload.tenant_id, quota, size=artifact.size)
    part = UploadPart(
        upload_id=upload.id,
        number=number,
        size=artifact.size,
        artifact=artifact.path,
        sha256=artifact.sha256,
    )
    session.add(part)
    session.flush()
    session.refresh(part)
    return part


def fresh_folder(tenant_id: str, upload_id: str) -> str:
    """Where the bytes of a part that is about to be stored will lie: in a folder of their own.

    So bytes that are not kept can be deleted, though others that hold the same are.
    """
    return f"{tenant_id}/uploads/{upload_id}/{new_id('part')}"


def require_same(session: Session, upload_id: str, joined: Sequence[UploadPart]) -> None:
    """Raise Conflict unless the upload has exactly the parts that were joined."""
    late = {part.number for part in parts(session, upload_id)} - {part.number for part in joined}
    if late:
        raise Conflict(
            f"part {min(late)} of upload {upload_id} came while the others were joined: complete it again",
            code="parts_changed",
        )


def end(session: Session, upload: Upload, status: str, *, file_id: str | None = None) -> list[str]:
    """Let a locked upload end; returns the paths of its parts, which are to be deleted after the commit."""
    upload.status, upload.file_id = status, file_id
    paths = [part.artifact for part in parts(session, upload.id)]
    session.execute(delete(UploadPart).where(UploadPart.upload_id == upload.id))
    return paths


def expire(session: Session) -> list[str]:
    """End uploads whose time is over; returns the paths of their parts, which nothing names any more."""
    late = (Upload.status == OPEN) & (Upload.expires_at < func.clock_timestamp())
    found = session.scalars(select(Upload).where(late).with_for_update(skip_locked=True)).all()
    return [path for upload in found for path in end(session, upload, "expired")]
