"""The feature cache: blocks of features by complete fingerprint, per tenant."""

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from store.artifacts import Artifact
from store.tables.data import FeatureBlock


def find(session: Session, tenant_id: str, key: str) -> Artifact | None:
    """Where a block of that fingerprint lies."""
    row = session.get(FeatureBlock, (tenant_id, key))
    return Artifact(row.artifact, row.sha256, size=0) if row else None


def remember(session: Session, tenant_id: str, key: str, *, rows: int, artifact: Artifact) -> None:
    """Record a computed block; the same block twice is one row."""
    row = insert(FeatureBlock).values(
        tenant_id=tenant_id, key=key, rows=rows, artifact=artifact.path, sha256=artifact.sha256
    )
    session.execute(row.on_conflict_do_nothing())


def forget(session: Session, tenant_id: str, key: str) -> None:
    """Drop a block whose file is missing or corrupt, so that it is computed again."""
    session.execute(delete(FeatureBlock).where(FeatureBlock.tenant_id == tenant_id, FeatureBlock.key == key))
