"""Whether the tenant may add something, and whether there is a place for it: asked before it is stored."""

import errno
import tempfile
from typing import IO

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.http import problems
from service.http.access import only_reads
from service.services import Services, State, TenantId
from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.disk import free_share
from store.jobs import submissions
from store.tables.states import JobKind

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def require_job_quota(session: Session, state: State, tenant_id: str, kind: JobKind) -> None:
    """Raise OverQuota when the tenant has too many open jobs, or too many waiting shards in the queue."""
    submissions.check_queue(session, tenant_id, kind, state.settings.max_waiting_shards)
    quotas.require_job(session, tenant_id, state.settings.max_jobs)


def require_storage(state: State, tenant_id: str, *, records: int = 0, size: int = 0) -> None:
    """Raise OverQuota or Problem 507 where so much cannot be stored; what is stored is counted once more."""
    require_disk(state)
    with state.database.transaction() as session:
        quotas.require(session, tenant_id, StorageQuota.of(state.settings), records=records, size=size)


def require_disk(state: State) -> None:
    """Raise Problem 507 while less than the reserve of a local disk that bodies go to is free."""
    places = [tempfile.gettempdir(), *([state.artifacts.root] if state.artifacts.local else [])]
    if any(free_share(place) < state.settings.disk_reserve_share for place in places):
        raise problems.storage_full()


def size_of(file: IO[bytes]) -> int:
    """Bytes of an open file."""
    return file.seek(0, 2)


def is_full(error: BaseException) -> bool:
    """Whether a disk had no room left."""
    return isinstance(error, OSError) and error.errno in FULL


def _require_storage_left(request: Request, state: Services, tenant_id: TenantId) -> None:
    if only_reads(request.method) or request.method == "DELETE" or request.url.path.endswith("/cancel"):
        return
    require_storage(state, tenant_id, records=1, size=1)


STORAGE_LEFT = Depends(_require_storage_left)  # of every route that stores records or files
