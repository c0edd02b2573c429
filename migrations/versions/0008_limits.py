"""Bytes of pools and targets; deliveries in flight, and endpoints that fail."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. What is stored already counts as 0 bytes: the artifact store is not asked."""
    for table in ("pools", "targets"):
        op.add_column(table, sa.Column("size", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("webhook_deliveries", sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "webhook_endpoints", sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False)
    )
    for name in ("failing_since", "paused_until"):
        op.add_column("webhook_endpoints", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "webhook_deliveries_by_endpoint",
        "webhook_deliveries",
        ["endpoint_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("webhook_deliveries_by_endpoint", "webhook_deliveries")
    for name in ("paused_until", "failing_since", "failures"):
        op.drop_column("webhook_endpoints", name)
    op.drop_column("webhook_deliveries", "leased_until")
    for table in ("targets", "pools"):
        op.drop_column(table, "size")
