"""What one tenant may hold: open jobs, records, bytes. Asked in the transaction that adds something."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from store.errors import Invalid, OverQuota
from store.settings import Settings

FREED_SECONDS = 60  # Retry-After: room is made by a job that ends or by deleting, not by waiting a second
KEY_BYTES = 16  # of a record in its pool's index of contents
STORED = text(
    """
    with own_pools as (select count, size from pools where tenant_id = :tenant),
    own_targets as (select count, size from targets where tenant_id = :tenant),
    own_files as (select size from files where tenant_id = :tenant),
    own_parts as (
      select size from upload_parts where upload_id in (select id from uploads where tenant_id = :tenant)
    ),
    own_models as (
      select (value ->> 'size')::bigint as size from models, jsonb_each(files) where tenant_id = :tenant
    )
    select
      ((select coalesce(sum(count), 0) from own_pools)
        + (select coalesce(sum(count), 0) from own_targets))::bigint as records,
      ((select coalesce(sum(size), 0) from own_pools)
        + (select coalesce(sum(size), 0) from own_targets)
        + (select coalesce(sum(size), 0) from own_files)
        + (select coalesce(sum(size), 0) from own_parts)
        + (select coalesce(sum(size), 0) from own_models))::bigint as size
    """
)
OPEN_JOBS = text(
    "select count(*) from jobs where tenant_id = :tenant "
    "and status not in ('completed', 'failed', 'cancelled', 'expired')"
)


@dataclass(frozen=True, slots=True)
class StorageQuota:
    """What one tenant may store: records of targets and pools; bytes of these, of files, parts and models."""

    records: int
    size: int

    @classmethod
    def of(cls, settings: Settings) -> "StorageQuota":
        """The operator's limits."""
        return cls(settings.max_records, settings.max_stored_bytes)


def require_job(session: Session, tenant_id: str, most: int) -> None:
    """Raise OverQuota when the tenant has so many open jobs; two requests are counted one after the other."""
    _one_after_the_other(session, tenant_id)
    count = session.scalar(OPEN_JOBS, {"tenant": tenant_id}) or 0
    if count >= most:
        raise OverQuota(
            f"{count} jobs have not ended, and {most} are allowed: wait for one, or cancel one",
            retry_after=FREED_SECONDS,
        )


def require_k(k: int, most: int) -> None:
    """Raise Invalid when one selection asks for too much; waiting would not help."""
    if k > most:
        raise Invalid(f"k is {k}, and {most} is the most: ask for less", code="k_over_limit", pointer="/k")


def require(
    session: Session, tenant_id: str, quota: StorageQuota, *, records: int = 0, size: int = 0
) -> None:
    """Raise OverQuota unless so many records and bytes fit beside what the tenant stores."""
    held = session.execute(STORED, {"tenant": tenant_id}).one()
    if held.records + records > quota.records:
        raise OverQuota(
            f"{held.records} records are stored, {records} would come, and {quota.records} are allowed: "
            "ask your operator for more",
            retry_after=FREED_SECONDS,
        )
    if held.size + size > quota.size:
        raise OverQuota(
            f"{held.size} bytes are stored, {size} would come, and {quota.size} are allowed: delete files",
            retry_after=FREED_SECONDS,
        )


def take(session: Session, tenant_id: str, quota: StorageQuota, *, records: int = 0, size: int = 0) -> None:
    """The same for what this transaction stores next; two of a tenant are counted one after the other."""
    session.flush()
    _one_after_the_other(session, tenant_id)
    require(session, tenant_id, quota, records=records, size=size)


def _one_after_the_other(session: Session, tenant_id: str) -> None:
    session.execute(
        text("select id from tenants where id = :tenant for no key update"), {"tenant": tenant_id}
    )
