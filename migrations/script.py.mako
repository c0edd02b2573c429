"""${message}

Runs under a lock timeout of 5 s (env.py): a busy table makes it fail fast, and it is run again. The release before
goes on meanwhile, so only add here: new columns with a default or null, new tables; what nobody reads any more is
dropped one release later, indexes of large tables are made concurrently.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Take back."""
    ${downgrades if downgrades else "pass"}
