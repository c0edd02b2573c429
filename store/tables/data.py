"""The tables of what users send and jobs make; text of records never lives here: rows point at artifacts.

Tenant -< File, Target, Pool -< Batch, PoolIndex, Model, FeatureBlock
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.kit.json import Json
from store.tables.base import Base, no_entries, now, of_tenant


class File(Base):
    """Bytes that a user uploaded, as they came."""

    __tablename__ = "files"
    __table_args__ = (Index("files_by_content", "tenant_id", "sha256"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    name: Mapped[str | None]
    media_type: Mapped[str | None]
    size: Mapped[int]
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = now()


class Target(Base):
    """An immutable set of target-task examples."""

    __tablename__ = "targets"
    __table_args__ = (Index("targets_by_content", "tenant_id", "sha256"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    name: Mapped[str | None]
    count: Mapped[int]
    groups: Mapped[dict[str, int]] = no_entries()
    """Records of each group."""
    held_out_target_id: Mapped[str | None]
    """The target with the records that were kept apart from this one."""
    recognised: Mapped[Json] = no_entries()
    """As of a batch."""
    size: Mapped[int] = mapped_column(server_default="0")
    """Bytes of the file."""
    artifact: Mapped[str]
    sha256: Mapped[str]
    user_metadata: Mapped[dict[str, str]] = no_entries()
    created_at: Mapped[datetime] = now()


class Pool(Base):
    """An appendable set of candidates; version = number of batches."""

    __tablename__ = "pools"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="0")
    count: Mapped[int] = mapped_column(server_default="0")
    size: Mapped[int] = mapped_column(server_default="0")
    """Bytes of its batches, of its index of contents, and of the one of its features."""
    keys: Mapped[Json] = no_entries()
    """{runs: [{path, rows}]}: the contents that the pool holds, see store.data.content_runs"""
    user_metadata: Mapped[dict[str, str]] = no_entries()
    created_at: Mapped[datetime] = now()


class Batch(Base):
    """Candidates that arrived together: version v of the pool holds batches 1..v."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("pool_id", "version"),
        UniqueConstraint("pool_id", "client_batch_id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"))
    version: Mapped[int]
    client_batch_id: Mapped[str | None]
    received: Mapped[int]
    accepted: Mapped[int]
    rejected: Mapped[int]
    duplicates: Mapped[int]
    errors: Mapped[Json] = no_entries()
    repeated: Mapped[Json | None]
    recognised: Mapped[Json] = no_entries()
    """{shapes: {name: accepted rows}, extra: [columns], example: {given, record} or null}"""
    source: Mapped[Json | None]
    """{path, sha256, schema, size} of the rows as they came, of a table; see store.records.table_rows"""
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = now()


class PoolIndex(Base):
    """The features of a pool's records, laid out so that similar ones are found; a pool has one at most."""

    __tablename__ = "pool_indexes"
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"), primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    job_id: Mapped[str]
    """The indexing that made it, which may be gone."""
    version: Mapped[int]
    """Of the pool; batches after it are not in the index."""
    rows: Mapped[int]
    size: Mapped[int]
    """Bytes of its files, which count in its pool's size."""
    files: Mapped[Json] = no_entries()
    """See store.data.pool_indexes."""
    created_at: Mapped[datetime] = now()


class FeatureBlock(Base):
    """Cached features of some rows under one complete fingerprint."""

    __tablename__ = "feature_blocks"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[int]
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = now()


class Model(Base):
    """An adapter that a training produced; `lineage` says from what."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    training_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    base_model: Mapped[str]
    name: Mapped[str | None]
    files: Mapped[Json] = no_entries()
    lineage: Mapped[Json] = no_entries()
    user_metadata: Mapped[dict[str, str]] = no_entries()
    created_at: Mapped[datetime] = now()
