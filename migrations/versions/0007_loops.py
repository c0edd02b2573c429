"""Loops: rounds, the jobs that are their steps, pauses; what a killed shard goes on from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    now = sa.text("clock_timestamp()")
    empty = sa.text("'{}'::jsonb")
    op.add_column("jobs", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("shards", sa.Column("checkpoint", JSONB(), nullable=True))
    op.create_table(
        "rounds",
        sa.Column("loop_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("pool_id", sa.String(), nullable=True),
        sa.Column("pool_version", sa.BigInteger(), nullable=True),
        sa.Column("generated", JSONB(), server_default=empty, nullable=False),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["loop_id"], ["jobs.id"]),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"]),
        sa.PrimaryKeyConstraint("loop_id", "number"),
    )
    op.create_index(
        "rounds_unfinished",
        "rounds",
        ["loop_id"],
        unique=True,
        postgresql_where=sa.text("completed_at is null"),
    )
    op.create_table(
        "loop_steps",
        sa.Column("loop_id", sa.String(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.ForeignKeyConstraint(["loop_id"], ["jobs.id"]),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"]),
        sa.PrimaryKeyConstraint("loop_id", "round", "step"),
        sa.UniqueConstraint("job_id"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("loop_steps")
    op.drop_table("rounds")
    op.drop_column("shards", "checkpoint")
    op.drop_column("jobs", "paused_at")
