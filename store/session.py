"""Connections to PostgreSQL: one engine per process, one transaction per block."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session

from store.tables import json_columns
from store.tables.every import METADATA

CONNECT_SECONDS = 5  # a dead database is reported, not waited for
SILENT_SECONDS = 30  # after which either end takes the other one's machine, or the way there, for gone
PROBE_SECONDS = 5  # between two questions of the kernel whether it is there
SILENCE = {
    "tcp_keepalives_idle": 2 * PROBE_SECONDS,
    "tcp_keepalives_interval": PROBE_SECONDS,
    "tcp_keepalives_count": SILENT_SECONDS // PROBE_SECONDS - 2,
    "tcp_user_timeout": SILENT_SECONDS * 1000,
}  # as the server calls them
REST_SECONDS = 1.0  # a connection that rested longer is asked whether it still works, before it is used


class Database:
    """Opens transactions; safe to share between threads, never across a fork."""

    tables = METADATA
    """Of whoever opens a transaction: rows point at tables that it may not have imported."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            hide_parameters=True,  # errors are logged, and values are the users'
            json_serializer=json_columns.dumps,
            json_deserializer=json_columns.loads,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "evoselect",
                **{name.replace("tcp_keep", "keep"): value for name, value in SILENCE.items()},
            },
        )
        event.listen(self.engine, "connect", _end_if_silent)
        event.listen(self.engine, "handle_error", _say_less)
        event.listen(self.engine, "checkin", _note_time)
        event.listen(self.engine, "checkout", _ping_after_rest)

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


def _say_less(context: ExceptionContext) -> None:
    """The server's DETAIL and CONTEXT repeat values of the request: what is left is message and SQLSTATE."""
    error = context.original_exception
    if not isinstance(error, psycopg.Error) or error.diag.message_primary is None:
        return
    said = f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})"
    error.args = (said,)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (f"({type(error).__name__}) {said}",)


def _end_if_silent(connection: Any, record: Any) -> None:
    """The server too: else it holds the locks of a machine that is gone for two hours, as TCP has it."""
    asked = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SILENCE.items())
    connection.execute(f"select {asked}")
    connection.commit()


def _note_time(connection: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


def _ping_after_rest(connection: Any, record: Any, proxy: Any) -> None:
    """A ping before every transaction would cost a tenth of a shard; a restart is seen after a rest."""
    if time.monotonic() - record.info.get("rests_since", time.monotonic()) < REST_SECONDS:
        return
    try:
        connection.execute("select 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError(str(error)) from error
