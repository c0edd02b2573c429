"""The traceparent under which a job was accepted and a ring was promised."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for table in ("jobs", "outbox"):
        op.add_column(table, sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for table in ("jobs", "outbox"):
        op.drop_column(table, "traceparent")
