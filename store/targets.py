"""Targets: immutable sets of target-task examples."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.errors import Invalid, NotFound
from store.ids import new_id
from store.models import Json, Target
from store.records import Record, to_table


def create(
    session: Session,
    artifacts: Artifacts,
    tenant_id: str,
    records: list[Record],
    *,
    name: str | None = None,
    user_metadata: Json | None = None,
) -> Target:
    """Store the records as one artifact and the target's row; raises Invalid when there are none."""
    if not records:
        raise Invalid(
            "a target needs at least 1 record, got 0: send the examples of your task", code="no_records"
        )
    stored = artifacts.put_table(f"{tenant_id}/targets", to_table(records))
    target = Target(
        id=new_id("tgt"),
        tenant_id=tenant_id,
        name=name,
        count=len(records),
        artifact=stored.path,
        sha256=stored.sha256,
        user_metadata=user_metadata or {},
    )
    session.add(target)
    session.flush()
    session.refresh(target)
    return target


def get(session: Session, tenant_id: str, target_id: str) -> Target:
    """The tenant's target; raises NotFound."""
    target = session.get(Target, target_id)
    if target is None or target.tenant_id != tenant_id:
        raise NotFound("target", target_id)
    return target


def listing(session: Session, tenant_id: str, *, after: str | None, limit: int) -> list[Target]:
    """Newest first, at most limit + 1 rows."""
    query = select(Target).where(Target.tenant_id == tenant_id)
    if after:
        query = query.where(Target.id < after)
    return list(session.scalars(query.order_by(Target.id.desc()).limit(limit + 1)))
