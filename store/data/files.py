"""Files that users upload: bytes as they came, named by id, immutable."""

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifact
from store.errors import Conflict
from store.kit.ids import new_id
from store.tables import owned
from store.tables.data import File
from store.tables.jobs import Job
from store.tables.owned import Window
from store.tables.states import TERMINAL


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a file that is about to be stored will lie: in a folder of its own."""

    id: str
    folder: str


def fresh_place(tenant_id: str) -> Place:
    """A new id; its folder lets the bytes be deleted though another file may hold the same."""
    file_id = new_id("file")
    return Place(file_id, f"{tenant_id}/files/{file_id}")


def create(
    session: Session,
    tenant_id: str,
    place: Place,
    artifact: Artifact,
    *,
    quota: StorageQuota,
    name: str | None,
    media_type: str | None = None,
) -> File:
    """The row of a file stored at its place; raises OverQuota."""
    quotas.take(session, tenant_id, quota, size=artifact.size)
    file = File(
        id=place.id,
        tenant_id=tenant_id,
        name=name,
        media_type=media_type,
        size=artifact.size,
        artifact=artifact.path,
        sha256=artifact.sha256,
    )
    session.add(file)
    session.flush()
    session.refresh(file)
    return file


def get(session: Session, tenant_id: str, file_id: str) -> File:
    """The tenant's file; raises NotFound."""
    return owned.get(session, File, tenant_id, file_id, noun="file")


def delete(session: Session, tenant_id: str, file_id: str) -> File:
    """Delete the row; raises NotFound, or Conflict while a job that has not ended reads the file.

    The caller deletes the bytes after the commit.
    """
    file = get(session, tenant_id, file_id)
    reads = or_(*(Job.request["feature_files"][side].astext == file_id for side in ("target", "pool")))
    waiting = Job.status.not_in(TERMINAL)
    job_id = session.scalar(select(Job.id).where(Job.tenant_id == tenant_id, waiting, reads).limit(1))
    if job_id is not None:
        raise Conflict(
            f"selection {job_id} reads file {file_id}: wait until it has ended, or cancel it",
            code="file_in_use",
        )
    session.delete(file)
    return file


def listing(session: Session, tenant_id: str, *, window: Window, sha256: str | None = None) -> list[File]:
    """Newest first unless the window says else, limit + 1 at most; with ``sha256`` those with such bytes."""
    same = [] if sha256 is None else [File.sha256 == sha256]
    return owned.listed(session, File, tenant_id, *same, window=window)
