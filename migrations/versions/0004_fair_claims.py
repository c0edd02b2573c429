"""Fair claims between tenants, faults apart from deaths, versioned payloads, rings without shards, chores."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
OPEN = "status not in ('completed', 'failed', 'cancelled', 'expired')"


def upgrade() -> None:
    """Apply."""
    op.add_column("jobs", sa.Column("priority", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("jobs_open", "jobs", ["created_at"], postgresql_where=sa.text(OPEN))
    _shards()
    op.drop_column("outbox", "shard_id")
    op.drop_column("outbox", "phase")
    op.create_table(
        "turns",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("queue", "tenant_id"),
    )
    op.execute("insert into turns select distinct queue, tenant_id, to_timestamp(0) from shards")
    op.create_table(
        "chores",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _shards() -> None:
    op.add_column("shards", sa.Column("tenant_id", sa.String(), nullable=True))
    op.execute("update shards set tenant_id = jobs.tenant_id from jobs where jobs.id = shards.job_id")
    op.alter_column("shards", "tenant_id", nullable=False)
    for name, default in (("priority", "0"), ("version", "1"), ("faults", "0")):
        op.add_column("shards", sa.Column(name, sa.BigInteger(), server_default=default, nullable=False))
    available = sa.Column("available_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False)
    op.add_column("shards", available)
    op.drop_column("shards", "kicked_at")
    unfinished = sa.text("state <> 'done'")
    op.create_index("shards_unfinished", "shards", ["job_id", "phase", "index"], postgresql_where=unfinished)
    order: list[str | sa.TextClause] = ["queue", "tenant_id", sa.text("priority desc"), "job_id", "index"]
    op.create_index("shards_ready", "shards", order, postgresql_where=sa.text("state = 'ready'"))


def downgrade() -> None:
    """Take back; rings on their way are lost, which the sweeper mends."""
    op.drop_table("chores")
    op.drop_table("turns")
    op.execute("delete from outbox")
    for name in ("phase", "shard_id"):
        op.add_column("outbox", sa.Column(name, sa.String(), nullable=False))
    kicked = sa.Column("kicked_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False)
    op.add_column("shards", kicked)
    op.drop_index("shards_ready", "shards")
    op.drop_index("shards_unfinished", "shards")
    for name in ("available_at", "faults", "version", "priority", "tenant_id"):
        op.drop_column("shards", name)
    op.drop_index("jobs_open", "jobs")
    op.drop_column("jobs", "priority")
