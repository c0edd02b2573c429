"""Whether the tenant may add something: quotas, asked before anything is stored."""

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.access import looks
from service.state import Services, State, TenantId
from store import quotas, submissions
from store.states import JobKind


def require_room_for_job(session: Session, state: State, tenant_id: str, kind: JobKind) -> None:
    """Raise OverQuota when the tenant has too many open jobs, or too many waiting shards in the queue."""
    submissions.check_room(session, tenant_id, kind, state.settings.max_waiting_shards)
    quotas.require_job(session, tenant_id, state.settings.max_jobs)


def _require_space(request: Request, state: Services, tenant_id: TenantId) -> None:
    if looks(request.method) or request.method == "DELETE":
        return
    settings = state.settings
    with state.database.transaction() as session:
        quotas.require_space(session, tenant_id, records=settings.max_records, size=settings.max_stored_bytes)


SPACE_LEFT = Depends(_require_space)  # of every route that stores records or files
