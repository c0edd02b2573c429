"""Pools: appendable, versioned sets of candidates, batch by batch."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.artifacts import Artifact
from store.errors import Invalid, NotFound
from store.ids import new_id
from store.models import Batch, Json, Pool
from store.plans import Source


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the lines of a batch; received = accepted + rejected."""

    received: int
    accepted: int
    rejected: int
    duplicates: int
    """Accepted lines whose content an earlier line of the same batch already had."""


def create(
    session: Session, tenant_id: str, *, name: str | None = None, user_metadata: Json | None = None
) -> Pool:
    """An empty pool at version 0."""
    pool = Pool(id=new_id("pool"), tenant_id=tenant_id, name=name, user_metadata=user_metadata or {})
    session.add(pool)
    session.flush()
    session.refresh(pool)
    return pool


def get(session: Session, tenant_id: str, pool_id: str) -> Pool:
    """The tenant's pool; raises NotFound."""
    pool = session.get(Pool, pool_id)
    if pool is None or pool.tenant_id != tenant_id:
        raise NotFound("pool", pool_id)
    return pool


def listing(session: Session, tenant_id: str, *, after: str | None, limit: int) -> list[Pool]:
    """Newest first, at most limit + 1 rows."""
    query = select(Pool).where(Pool.tenant_id == tenant_id)
    if after:
        query = query.where(Pool.id < after)
    return list(session.scalars(query.order_by(Pool.id.desc()).limit(limit + 1)))


def find_batch(session: Session, pool_id: str, client_batch_id: str) -> Batch | None:
    """The batch that the client already sent under its own id."""
    return session.scalar(
        select(Batch).where(Batch.pool_id == pool_id, Batch.client_batch_id == client_batch_id)
    )


def append(
    session: Session,
    tenant_id: str,
    pool_id: str,
    artifact: Artifact,
    counts: Counts,
    *,
    client_batch_id: str | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> Batch:
    """Commit a stored batch as the pool's next version.

    The pool's row is locked, so versions have no gap; the same client_batch_id returns the first batch.
    """
    get(session, tenant_id, pool_id)
    pool = session.execute(
        select(Pool).where(Pool.id == pool_id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()
    if client_batch_id and (known := find_batch(session, pool_id, client_batch_id)):
        return known
    pool.version += 1
    pool.count += counts.accepted
    batch = Batch(
        id=new_id("bat"),
        tenant_id=tenant_id,
        pool_id=pool_id,
        version=pool.version,
        client_batch_id=client_batch_id,
        received=counts.received,
        accepted=counts.accepted,
        rejected=counts.rejected,
        duplicates=counts.duplicates,
        errors={"lines": errors or []},
        artifact=artifact.path,
        sha256=artifact.sha256,
    )
    session.add(batch)
    session.flush()
    session.refresh(batch)
    return batch


def sources(session: Session, pool: Pool, version: int) -> list[Source]:
    """The stored files that make up one version of a pool; raises Invalid for a version it does not have."""
    if not 0 <= version <= pool.version:
        raise Invalid(
            f"pool {pool.id} has versions 0 to {pool.version}, not {version}: "
            "leave pool_version out for the newest",
            pointer="/pool_version",
        )
    query = select(Batch).where(Batch.pool_id == pool.id, Batch.version <= version).order_by(Batch.version)
    return [Source("pool", batch.artifact, batch.sha256, batch.accepted) for batch in session.scalars(query)]
