"""What the rows of batches and targets were recognised as."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for table in ("batches", "targets"):
        op.add_column(
            table,
            sa.Column(
                "recognised", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
            ),
        )


def downgrade() -> None:
    """Take back."""
    for table in ("targets", "batches"):
        op.drop_column(table, "recognised")
