"""What callers without a key can send: heads, forms and bodies are counted while they come in."""

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from service import protocol
from service.pages import forms
from tests.live import Api

PIECE = b"a" * 2**16
MOST = 32 * 2**20  # bytes that a flood sends before it gives up; sockets hold a few of them themselves
SIGN_IN = (
    b"POST /ui/sign-in HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
CHUNKED = SIGN_IN + b"Transfer-Encoding: chunked\r\n"


@contextmanager
def connected(api: Api) -> Iterator[socket.socket]:
    place = urlsplit(api.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        yield connection


def flood(api: Api, head: bytes, piece: bytes) -> tuple[int, bytes]:
    """Send the piece until the server ends the connection; how many bytes it took, and its answer."""
    with connected(api) as connection:
        connection.sendall(head)
        sent = 0
        try:
            while sent < MOST:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        try:
            return sent, connection.recv(65_536)
        except OSError:
            return sent, b""


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET /", PIECE),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: ", PIECE),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", PIECE + b": "),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Many: 1\r\n" * 6000),
        (CHUNKED + b"\r\n0\r\nX-Trailer: ", PIECE),
        (CHUNKED + b"\r\n0\r\n", b"X-Trailer: 1\r\n" * 6000),
        (CHUNKED + b"\r\n1;", PIECE),
    ],
    ids=["url", "value", "name", "many", "trailer", "trailers", "extension"],
)
def test_an_endless_head_is_cut(api: Api, head: bytes, piece: bytes) -> None:
    sent, answer = flood(api, head, piece)
    assert sent < MOST / 2
    assert not answer or status(answer) in (408, 413, 414, 431)
    assert api.call("GET", "/livez").status_code == 200


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /" + b"a" * protocol.MAX_URL + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * protocol.MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * protocol.MAX_HEADERS + b"\r\n", 431),
        (b"this is not HTTP\r\n\r\n", 400),
    ],
)
def test_a_refused_head_is_answered_with_a_problem(api: Api, request_: bytes, code: int) -> None:
    with connected(api) as connection:
        connection.sendall(request_)
        answer = connection.recv(65_536)
        assert status(answer) == code
        assert b"application/problem+json" in answer
        assert connection.recv(1) == b""  # closed


def test_heads_within_the_limits_pass_in_any_pieces(api: Api) -> None:
    long = b"GET /version?" + b"a" * 8000 + b" HTTP/1.1\r\nHost: x\r\nX-Long: " + b"b" * 30_000 + b"\r\n\r\n"
    with connected(api) as connection:
        for start in range(0, len(long), 5000):
            connection.sendall(long[start : start + 5000])
            time.sleep(0.01)
        assert status(connection.recv(65_536)) == 200
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 5:
            piece = connection.recv(65_536)
            assert piece, f"closed after {answers!r}"
            answers += piece


def test_requests_sent_far_ahead_of_their_answers_are_not_kept(api: Api) -> None:
    sent, _ = flood(api, b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
    assert sent < MOST / 2


def test_a_head_that_never_ends_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    for begun in (b"", b"GET /livez HTTP/1.1\r\nHost:"):
        with connected(api) as connection:
            connection.sendall(begun)
            assert status(connection.recv(65_536)) == 408


def test_a_form_is_refused_after_its_first_bytes_too_many(api: Api) -> None:
    size = forms.MAX_FORM + 1
    with connected(api) as connection:
        connection.sendall(CHUNKED + b"\r\n%x\r\n" % size + b"a" * size + b"\r\n")  # and no end
        assert status(connection.recv(65_536)) == 413


def test_a_form_has_no_encoding(api: Api) -> None:
    body = gzip.compress(b"a" * 10**6)
    with connected(api) as connection:
        connection.sendall(
            SIGN_IN + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert status(connection.recv(65_536)) == 415


def test_a_form_of_many_fields_is_refused(api: Api) -> None:
    body = b"&".join(b"a=1" for _ in range(forms.MAX_FIELDS + 1))
    with connected(api) as connection:
        connection.sendall(SIGN_IN + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert status(connection.recv(65_536)) == 422


def test_a_form_that_never_ends_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "FORM_SECONDS", 0.3)
    with connected(api) as connection:
        connection.sendall(SIGN_IN + b"Content-Length: 10\r\n\r\na")
        assert status(connection.recv(65_536)) == 408
