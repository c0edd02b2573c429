"""The audit log: which key changed what, or was refused."""

from datetime import timedelta

from sqlalchemy import delete, func
from sqlalchemy.orm import Session

from store.kit.ids import new_id
from store.tables import owned
from store.tables.accounts import AuditEvent
from store.tables.json_columns import storable
from store.tables.owned import Window


def record(
    session: Session, *, tenant_id: str, key_id: str, request_id: str, method: str, path: str, status: int
) -> None:
    """Append one line; paths hold ids, never content. A path with the character 0 is written down too."""
    session.add(
        AuditEvent(
            id=new_id("aud"),
            tenant_id=tenant_id,
            key_id=key_id,
            request_id=request_id,
            method=method,
            path=storable(path),
            status=status,
        )
    )


def listing(session: Session, tenant_id: str, *, window: Window) -> list[AuditEvent]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    return owned.listed(session, AuditEvent, tenant_id, window=window)


def forget(session: Session, days: int) -> None:
    """Delete lines that are older."""
    old = AuditEvent.created_at < func.clock_timestamp() - timedelta(days=days)
    session.execute(delete(AuditEvent).where(old))
