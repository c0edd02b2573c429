"""The tables of loops and comparisons: jobs whose rounds, and the jobs that they are made of, are rows here.

Job (loop) -< Round;   Job (loop | comparison) -< LoopStep - Job (selection | training | evaluation)

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
    health: Mapped[Json | None]
    """How its candidates and what was selected of them lie beside the target, with warnings."""
    result: Mapped[Json | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    completed_at: Mapped[datetime | None]


class LoopStep(Base):
    """The job that does one step of a round; round 0 measures the model that a loop begins with.

    Of a comparison `loop_id` is its id, `round` the number of a training (a run; 0 for what all runs of an
    arm share) and `step` the arm with the step's name.
    """

    __tablename__ = "loop_steps"
    loop_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
