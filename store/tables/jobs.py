"""The tables of data and jobs; account_models.py, upload_models.py and loop_models.py have others.

Text of records never lives here: rows point at artifacts.

Tenant -< ApiKey
Tenant -< File, Target, Pool -< Batch, Model, FeatureBlock, IdempotencyKey
Tenant -< Job (selection | training | evaluation | loop) -< Shard, Event
Outbox: rings that were promised; Turn: who is served next; Chore: when upkeep was done last
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]
OPEN = "status not in ('completed', 'failed', 'cancelled', 'expired')"


class Base(DeclarativeBase):
    """Times are UTC by the database's clock; dicts are JSONB."""

    type_annotation_map = {  # noqa: RUF012 - sqlalchemy reads this class attribute
        Json: JSONB,
        datetime: DateTime(timezone=True),
        int: BigInteger,
    }


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.clock_timestamp())


def _tenant() -> Mapped[str]:
    return mapped_column(ForeignKey("tenants.id"), index=True)


def _empty() -> Mapped[Json]:
    return mapped_column(server_default=text("'{}'::jsonb"))


class Tenant(Base):
    """Who owns rows; every query through the store names one."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = _now()


class ApiKey(Base):
    """A bearer key; only its peppered digest is kept."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str] = mapped_column(server_default="")
    scopes: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class File(Base):
    """Bytes that a user uploaded, as they came."""

    __tablename__ = "files"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    name: Mapped[str | None]
    media_type: Mapped[str | None]
    size: Mapped[int]
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = _now()


class Target(Base):
    """An immutable set of target-task examples."""

    __tablename__ = "targets"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    name: Mapped[str | None]
    count: Mapped[int]
    groups: Mapped[Json] = _empty()
    """Records of each group."""
    held_out_target_id: Mapped[str | None]
    """The target with the records that were kept apart from this one."""
    size: Mapped[int] = mapped_column(server_default="0")
    """Bytes of the file."""
    artifact: Mapped[str]
    sha256: Mapped[str]
    user_metadata: Mapped[Json] = _empty()
    created_at: Mapped[datetime] = _now()


class Pool(Base):
    """An appendable set of candidates; version = number of batches."""

    __tablename__ = "pools"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="0")
    count: Mapped[int] = mapped_column(server_default="0")
    size: Mapped[int] = mapped_column(server_default="0")
    """Bytes of its batches, and of its index of contents."""
    keys: Mapped[Json] = _empty()
    """{runs: [{path, sha256}]}: the contents that the pool holds, see store.data.content_runs"""
    user_metadata: Mapped[Json] = _empty()
    created_at: Mapped[datetime] = _now()


class Batch(Base):
    """Candidates that arrived together: version v of the pool holds batches 1..v."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("pool_id", "version"),
        UniqueConstraint("pool_id", "client_batch_id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"))
    version: Mapped[int]
    client_batch_id: Mapped[str | None]
    received: Mapped[int]
    accepted: Mapped[int]
    rejected: Mapped[int]
    duplicates: Mapped[int]
    errors: Mapped[Json] = _empty()
    repeated: Mapped[Json | None]
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = _now()


class Job(Base):
    """One accepted request for work; `request` is what runs, `result` what came of it."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_tenant", "tenant_id", "kind", "id"),
        Index("jobs_open", "created_at", postgresql_where=text(OPEN)),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    kind: Mapped[str]
    status: Mapped[str]
    phase: Mapped[str | None]
    name: Mapped[str | None]
    request: Mapped[Json] = _empty()
    result: Mapped[Json | None]
    error: Mapped[Json | None]
    user_metadata: Mapped[Json] = _empty()
    priority: Mapped[int] = mapped_column(server_default="0")
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    last_event: Mapped[int] = mapped_column(server_default="0")
    traceparent: Mapped[str | None]
    """Of the request that made the job, see store.telemetry.traces"""
    created_at: Mapped[datetime] = _now()
    queued_at: Mapped[datetime | None]
    running_at: Mapped[datetime | None]
    finalizing_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    cancelling_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]


class Shard(Base):
    """The unit that a worker claims: a lease, a fencing token, an idempotent result."""

    __tablename__ = "shards"
    __table_args__ = (
        UniqueConstraint("job_id", "phase", "index"),
        Index("shards_by_state", "state", "lease_until"),
        Index("shards_unfinished", "job_id", "phase", "index", postgresql_where=text("state <> 'done'")),
        Index(
            "shards_ready",
            "queue",
            "tenant_id",
            text("priority desc"),
            "job_id",
            "index",
            postgresql_where=text("state = 'ready'"),
        ),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    tenant_id: Mapped[str]
    priority: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="1")
    phase: Mapped[str]
    index: Mapped[int]
    queue: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="ready")
    payload: Mapped[Json] = _empty()
    result: Mapped[Json | None]
    checkpoint: Mapped[Json | None]
    rows_total: Mapped[int] = mapped_column(server_default="0")
    rows_done: Mapped[int] = mapped_column(server_default="0")
    token: Mapped[int] = mapped_column(server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")
    deaths: Mapped[int] = mapped_column(server_default="0")
    faults: Mapped[int] = mapped_column(server_default="0")
    last_fault: Mapped[str | None]
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    available_at: Mapped[datetime] = _now()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Event(Base):
    """Every transition of a job, numbered without gaps."""

    __tablename__ = "events"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    data: Mapped[Json] = _empty()
    created_at: Mapped[datetime] = _now()


class Outbox(Base):
    """A ring that was promised in a transaction and is published after it."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    queue: Mapped[str]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime] = _now()


class Turn(Base):
    """When a queue last took a shard of a tenant: the one served longest ago is next."""

    __tablename__ = "turns"
    queue: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    served_at: Mapped[datetime]


class Chore(Base):
    """When a piece of upkeep was last begun: of many processes, one does it."""

    __tablename__ = "chores"
    name: Mapped[str] = mapped_column(primary_key=True)
    begun_at: Mapped[datetime] = _now()


class FeatureBlock(Base):
    """Cached features of some rows under one complete fingerprint."""

    __tablename__ = "feature_blocks"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[int]
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = _now()


class Model(Base):
    """An adapter that a training produced; `lineage` says from what."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = _tenant()
    training_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    base_model: Mapped[str]
    files: Mapped[Json] = _empty()
    lineage: Mapped[Json] = _empty()
    created_at: Mapped[datetime] = _now()


class IdempotencyKey(Base):
    """The answer that one Idempotency-Key already got."""

    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime] = _now()
