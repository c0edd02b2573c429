"""No job was ever finalizing: the status had no transition."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_column("jobs", "finalizing_at")


def downgrade() -> None:
    """Take back."""
    op.add_column("jobs", sa.Column("finalizing_at", sa.DateTime(timezone=True), nullable=True))
