"""The API's socket, held by the supervisor: no other program can take the port between two starts."""

import socket
from typing import Any

import psutil

HOST = "127.0.0.1"
BACKLOG = 2048  # connections that wait while the API starts again
LONGEST_LINE = 120  # characters of a foreign command line that are shown


class PortInUse(RuntimeError):
    """Another program listens on the port."""

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(
            f"port {port} is in use by {owner(port) or reason}: end that, choose another with --port, or let "
            "--port 0 take a free one"
        )


def listen(port: int) -> socket.socket:
    """A listening socket on loopback, on any free port for 0; raises PortInUse."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may linger
    try:
        found.bind((HOST, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise PortInUse(port, f"a program that cannot be seen from here ({error.strerror})") from error
    return found


def owner(port: int) -> str | None:
    """Who listens on the port, in words; None where that is hidden from this account."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    pids = {one.pid for one in connections if one.pid and _is_listener(one, port)}
    try:
        first = psutil.Process(min(pids))
        while (parent := first.parent()) is not None and _listens(parent, port):
            first = parent  # of a supervisor and its API, which hold the same socket
        line = " ".join(" ".join(first.cmdline()).split())
        return f"{first.name()} (process {first.pid}: {line[:LONGEST_LINE]})"
    except (psutil.Error, ValueError):
        return None


def _listens(process: psutil.Process, port: int) -> bool:
    """Whether it does, as far as this account may know."""
    try:
        return any(_is_listener(one, port) for one in process.net_connections("tcp"))
    except psutil.AccessDenied:
        return False


def _is_listener(connection: Any, port: int) -> bool:
    """Of psutil's connections; their local addresses are of two types."""
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port)
