"""Connections to PostgreSQL: one engine per process, one transaction per block."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

CONNECT_SECONDS = 5  # a dead database is reported, not waited for


class Database:
    """Opens transactions; safe to share between threads, never across a fork."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "evoselect"},
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block and rolls back on any error."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def ping(self) -> None:
        """Raise sqlalchemy.exc.OperationalError when the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("select 1"))

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()
