"""Models may be named and annotated, as jobs, targets and pools may."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
NOTHING = sa.text("'{}'::jsonb")


def upgrade() -> None:
    """Apply."""
    op.add_column("models", sa.Column("name", sa.String(), nullable=True))
    pairs = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("models", sa.Column("user_metadata", pairs, nullable=False, server_default=NOTHING))


def downgrade() -> None:
    """Take back."""
    op.drop_column("models", "user_metadata")
    op.drop_column("models", "name")
