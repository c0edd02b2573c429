"""Files that users upload: bytes as they came, named by id, immutable."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.artifacts import Artifact
from store.errors import NotFound
from store.ids import new_id
from store.models import File


def create(session: Session, tenant_id: str, artifact: Artifact, *, name: str | None) -> File:
    """The row of a stored file."""
    file = File(
        id=new_id("file"),
        tenant_id=tenant_id,
        name=name,
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
    file = session.get(File, file_id)
    if file is None or file.tenant_id != tenant_id:
        raise NotFound("file", file_id)
    return file


def listing(session: Session, tenant_id: str, *, after: str | None, limit: int) -> list[File]:
    """Newest first, at most limit + 1 rows."""
    query = select(File).where(File.tenant_id == tenant_id)
    if after:
        query = query.where(File.id < after)
    return list(session.scalars(query.order_by(File.id.desc()).limit(limit + 1)))
