"""Alembic's entry: connects to the URL that store.migrate passes, or to EVOSELECT_DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import create_engine, pool, text

from store.tables.every import METADATA

LOCK = 7_203_511  # advisory lock: two starting processes migrate one after the other


def run() -> None:
    """Apply migrations in one transaction, with a lock timeout so that a busy table fails fast."""
    url = context.config.attributes.get("url") or os.environ["EVOSELECT_DATABASE_URL"]
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=METADATA)
        with context.begin_transaction():
            connection.execute(text("set local lock_timeout = '5s'"))
            connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
            context.run_migrations()


run()
