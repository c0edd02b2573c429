"""The tables of loops. A loop is a job; its rounds and the jobs that they were made of are rows here.

Job (loop) -< Round;   Job (loop) -< LoopStep - Job (selection | training | evaluation)

The keys say what can happen once only: a round of a number, one unfinished round, a step of a round.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from store.kit.json import Json
from store.tables.base import Base


class Round(Base):
    """One turn of generate, select, train, evaluate; numbers count from 1."""

    __tablename__ = "rounds"
    __table_args__ = (
        Index("rounds_unfinished", "loop_id", unique=True, postgresql_where=text("completed_at is null")),
    )
    loop_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    """generating | waiting (for candidates) | running | completed; stays as it was when its loop ends"""
    pool_id: Mapped[str | None] = mapped_column(ForeignKey("pools.id"))
    pool_version: Mapped[int | None]
    generated: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    """What the generator did and spent."""
    result: Mapped[Json | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    completed_at: Mapped[datetime | None]


class LoopStep(Base):
    """The job that does one step of a round; round 0 measures the model that the loop begins with."""

    __tablename__ = "loop_steps"
    loop_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
