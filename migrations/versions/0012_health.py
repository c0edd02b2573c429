"""How healthy a round of a loop is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("rounds", sa.Column("health", JSONB(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("rounds", "health")
