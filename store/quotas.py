"""What one tenant may hold: open jobs, records, bytes. Checked where something is added."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from store.errors import Invalid, OverQuota
from store.models import OPEN, File, Job, Pool, Target, Tenant

FREED_SECONDS = 60  # Retry-After: room is made by a job that ends or by deleting, not by waiting a second


def require_job(session: Session, tenant_id: str, most: int) -> None:
    """Raise OverQuota when the tenant has so many open jobs; two requests are counted one after the other."""
    session.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True))
    open_jobs = select(func.count()).select_from(Job).where(Job.tenant_id == tenant_id, text(OPEN))
    count = session.scalar(open_jobs) or 0
    if count >= most:
        raise OverQuota(
            f"{count} jobs have not ended, and {most} are allowed: wait for one, or cancel one",
            retry_after=FREED_SECONDS,
        )


def require_k(k: int, most: int) -> None:
    """Raise Invalid when one selection asks for too much; waiting would not help."""
    if k > most:
        raise Invalid(f"k is {k}, and {most} is the most: ask for less", code="k_over_limit", pointer="/k")


def require_space(session: Session, tenant_id: str, *, records: int, size: int) -> None:
    """Raise OverQuota when the tenant stores `records` records or `size` bytes of files already."""
    stored = sum(_total(session, tenant_id, column) for column in (Pool.count, Target.count))
    if stored >= records:
        raise OverQuota(
            f"{stored} records are stored, and {records} are allowed: ask your operator for more",
            retry_after=FREED_SECONDS,
        )
    held = _total(session, tenant_id, File.size)
    if held >= size:
        raise OverQuota(
            f"files of {held} bytes are stored, and {size} are allowed: delete some",
            retry_after=FREED_SECONDS,
        )


def _total(session: Session, tenant_id: str, column: InstrumentedAttribute[int]) -> int:
    """Sum of a column over the tenant's rows."""
    query = select(func.coalesce(func.sum(column), 0)).where(column.class_.tenant_id == tenant_id)
    return int(session.scalar(query) or 0)
