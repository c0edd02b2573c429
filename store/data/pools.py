"""Pools: appendable, versioned sets of candidates, batch by batch. A content is stored once in a pool."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import Artifact, StoredFile
from store.data.content_runs import Index
from store.data.sources import Source
from store.errors import Conflict, Invalid
from store.kit.ids import new_id
from store.records.faults import RowFault
from store.records.record import SCHEMA
from store.tables import owned, uses
from store.tables.data import Batch, Pool, PoolIndex
from store.tables.loops import Round
from store.tables.owned import Window

_POSITION = pa.field("position", pa.int64(), nullable=False)
ORIGINAL = pa.field("original", pa.string())
BATCH_SCHEMA = SCHEMA.append(ORIGINAL).append(_POSITION)
"""Stored records; `position` counts the records of the batch as they were received, from 0; `original` is
the row's JSON as it came, null where the record says all of it."""
REPEATED_SCHEMA = pa.schema([SCHEMA.field("id"), SCHEMA.field("content_hash"), _POSITION])
"""Received records whose content the pool held already."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a batch's records; received = accepted + rejected, stored = accepted - duplicates."""

    received: int
    accepted: int
    rejected: int
    duplicates: int
    """Accepted records whose content an earlier record of the pool or of the batch already had."""

    @property
    def stored(self) -> int:
        """Records that the batch adds to its pool."""
        return self.accepted - self.duplicates


def create(
    session: Session,
    tenant_id: str,
    *,
    name: str | None = None,
    user_metadata: Mapping[str, str] | None = None,
) -> Pool:
    """An empty pool at version 0."""
    pool = Pool(id=new_id("pool"), tenant_id=tenant_id, name=name, user_metadata=dict(user_metadata or {}))
    session.add(pool)
    session.flush()
    session.refresh(pool)
    return pool


def get(session: Session, tenant_id: str, pool_id: str) -> Pool:
    """The tenant's pool; raises NotFound."""
    return owned.get(session, Pool, tenant_id, pool_id, noun="pool")


def listing(session: Session, tenant_id: str, *, window: Window) -> list[Pool]:
    """Newest first unless the window says else, at most limit + 1 rows."""
    return owned.listed(session, Pool, tenant_id, window=window)


def remove(session: Session, tenant_id: str, pool_id: str) -> None:
    """Delete the rows; their files are swept. Raises NotFound, or Conflict while something needs the pool."""
    pool = uses.take(session, "pool", tenant_id, pool_id)
    if loop_id := session.scalar(select(Round.loop_id).where(Round.pool_id == pool_id).limit(1)):
        raise Conflict(f"loop {loop_id} has pool {pool_id} in a round: delete the loop", code="pool_in_use")
    for table in (Batch, PoolIndex):
        session.execute(delete(table).where(table.pool_id == pool_id))
    session.delete(pool)


def find_batch(session: Session, pool_id: str, client_batch_id: str) -> Batch | None:
    """The batch that the client already sent under its own id."""
    return session.scalar(
        select(Batch).where(Batch.pool_id == pool_id, Batch.client_batch_id == client_batch_id)
    )


def lock(session: Session, tenant_id: str, pool_id: str) -> Pool:
    """The pool as it is now; nobody else appends to it until the transaction ends. Raises NotFound."""
    get(session, tenant_id, pool_id)
    query = select(Pool).where(Pool.id == pool_id).with_for_update(key_share=True)
    return session.execute(query.execution_options(populate_existing=True)).scalar_one()


class Faults(BaseModel):
    """Of a batch: the first ones, the file with all, and how many there are of each code."""

    model_config = ConfigDict(frozen=True)

    lines: list[RowFault] = []
    file_id: str | None = None
    reasons: dict[str, int] = {}


def append(
    session: Session,
    pool: Pool,
    batch_id: str,
    artifact: Artifact,
    *,
    counts: Counts,
    quota: StorageQuota | None,
    client_batch_id: str | None = None,
    faults: Faults | None = None,
    repeated: StoredFile | None = None,
    keys: Index | None = None,
    recognised: Mapping[str, object] | None = None,
    source: Mapping[str, str | int] | None = None,
) -> Batch:
    """The stored batch as the next version of a locked pool, so that versions have no gap.

    `repeated` are the duplicates, `source` {path, sha256, schema, size} the rows as they came: see
    store.records.table_rows. Raises OverQuota; `quota` is None where that was asked before.
    """
    size = batch_size(artifact.size, counts.stored)
    size += (repeated and repeated.size) or 0
    size += int((source or {}).get("size", 0))
    if quota is not None:
        quotas.take(session, pool.tenant_id, quota, records=counts.stored, size=size)
    pool.version += 1
    pool.size += size
    pool.count += counts.stored
    pool.keys = pool.keys if keys is None else keys.model_dump(mode="json")
    batch = Batch(
        id=batch_id,
        tenant_id=pool.tenant_id,
        pool_id=pool.id,
        version=pool.version,
        client_batch_id=client_batch_id,
        received=counts.received,
        accepted=counts.accepted,
        rejected=counts.rejected,
        duplicates=counts.duplicates,
        errors=(faults or Faults()).model_dump(mode="json", exclude_unset=True),
        repeated=repeated and repeated.stored(),
        recognised=dict(recognised or {}),
        source=source and dict(source),
        artifact=artifact.path,
        sha256=artifact.sha256,
    )
    session.add(batch)
    session.flush()
    session.refresh(batch)
    return batch


def batch_size(size: int, records: int) -> int:
    """Bytes that a batch's file of `size` bytes adds to its pool, the index of its contents included."""
    return size + quotas.KEY_BYTES * records


def batches(session: Session, pool_id: str, version: int) -> list[Batch]:
    """The batches that make up one version, in order."""
    query = select(Batch).where(Batch.pool_id == pool_id, Batch.version <= version)
    return list(session.scalars(query.order_by(Batch.version)))


def batch_listing(session: Session, pool_id: str, *, after: int, limit: int) -> list[Batch]:
    """In the order of versions, those above `after`, at most limit + 1 rows."""
    query = select(Batch).where(Batch.pool_id == pool_id, Batch.version > after)
    return list(session.scalars(query.order_by(Batch.version).limit(limit + 1)))


def sources(session: Session, pool: Pool, version: int) -> list[Source]:
    """The stored files that make up one version of a pool; raises Invalid for a version it does not have."""
    if not 0 <= version <= pool.version:
        raise Invalid(
            f"pool {pool.id} has versions 0 to {pool.version}, not {version}: "
            "leave pool_version out for the newest",
            pointer="/pool_version",
        )
    return [
        Source("pool", batch.artifact, batch.sha256, batch.accepted - batch.duplicates)
        for batch in batches(session, pool.id, version)
    ]
