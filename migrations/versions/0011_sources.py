"""Rows of tables are kept as they came; targets and files are found again by what they hold."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
CONTENTS = ("targets", "files")


def upgrade() -> None:
    """Apply."""
    op.add_column("batches", sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    for table in CONTENTS:
        op.create_index(f"{table}_by_content", table, ["tenant_id", "sha256"])


def downgrade() -> None:
    """Take back."""
    for table in CONTENTS:
        op.drop_index(f"{table}_by_content", table)
    op.drop_column("batches", "source")
