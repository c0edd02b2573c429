"""Connections to a server that is gone without a word end in time, at both ends."""

import os
import socket

from sqlalchemy import text

from store.session import PROBE_SECONDS, SILENT_SECONDS, Database


def test_the_server_lets_go_of_a_machine_that_is_gone(database: Database) -> None:
    with database.transaction() as session:
        told = {
            name: session.scalar(text(f"select setting::int from pg_settings where name = '{name}'"))
            for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout")
        }
        probes = session.scalar(
            text("select setting::int from pg_settings where name = 'tcp_keepalives_count'")
        )
    assert told["tcp_user_timeout"] == SILENT_SECONDS * 1000
    assert told["tcp_keepalives_idle"] + told["tcp_keepalives_interval"] * probes == SILENT_SECONDS


def test_a_process_lets_go_of_a_server_that_is_gone(database: Database) -> None:
    with database.engine.connect() as connection:
        descriptor = os.dup(connection.connection.driver_connection.fileno())  # type: ignore[union-attr]
    with socket.socket(fileno=descriptor) as own:
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        probes = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == PROBE_SECONDS
        assert idle + PROBE_SECONDS * probes == SILENT_SECONDS
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_SECONDS * 1000
