"""The tables of jobs.

Tenant -< Job (selection | training | evaluation | loop | comparison | indexing) -< Shard, Event
Outbox: notifications that were promised; Turn: who is served next; Chore: when upkeep was done last
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.kit.json import Json
from store.tables.base import Base, no_entries, now, of_tenant

OPEN = "status not in ('completed', 'failed', 'cancelled', 'expired')"


class Job(Base):
    """One accepted request for work; `request` is what runs, `result` what came of it."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_tenant", "tenant_id", "kind", "id"),
        Index("jobs_open", "created_at", postgresql_where=text(OPEN)),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = of_tenant()
    kind: Mapped[str]
    status: Mapped[str]
    phase: Mapped[str | None]
    name: Mapped[str | None]
    request: Mapped[Json] = no_entries()
    result: Mapped[Json | None]
    error: Mapped[Json | None]
    user_metadata: Mapped[dict[str, str]] = no_entries()
    priority: Mapped[int] = mapped_column(server_default="0")
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    last_event: Mapped[int] = mapped_column(server_default="0")
    traceparent: Mapped[str | None]
    """Of the request that made the job, see store.telemetry.traces"""
    created_at: Mapped[datetime] = now()
    queued_at: Mapped[datetime | None]
    running_at: Mapped[datetime | None]
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
    payload: Mapped[Json] = no_entries()
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
    available_at: Mapped[datetime] = now()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Event(Base):
    """Every transition of a job, numbered without gaps."""

    __tablename__ = "events"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    data: Mapped[Json] = no_entries()
    created_at: Mapped[datetime] = now()


class Outbox(Base):
    """A notification that was promised in a transaction and is published after it."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    queue: Mapped[str]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime] = now()


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
    begun_at: Mapped[datetime] = now()
