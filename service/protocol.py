"""HTTP/1.1 for strangers: the server's protocol with bounds on what comes before a key can be looked at.

`uvicorn --http service.protocol:Protocol`. The parser joins a header's pieces without a bound, and nothing
times a head that never ends; here bytes and seconds are counted while they come in.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.http.problems import Problem, render
from store.kit.ids import new_id

MAX_URL = 16 * 1024  # bytes of path and query
MAX_HEAD = 64 * 1024  # bytes of all headers, those after a chunked body included
MAX_HEADERS = 200
MAX_PIPELINED = 32  # requests sent ahead of their answers
HEAD_SECONDS = 20.0  # from the first byte of a head, or the connection, to its end
REST_SECONDS = 10.0  # for the rest of a body after its answer; it is dropped
LINGER_SECONDS = 1.0  # a refused connection is read on for so long, or its answer would be lost
LINGER_BYTES = 2**20


class Protocol(HttpToolsProtocol):
    """One connection. WebSockets are not spoken."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ws_protocol_class = None
        self._head = 0  # bytes of URL and headers of this request
        self._count = 0  # of its headers
        self._silent = 0  # bytes since the parser last reported anything
        self._reported = False
        self._refusal: Problem | None = None
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody may send a head."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes in any pieces."""
        self._silent += len(data)
        if self._refusal is not None:
            if self._silent > LINGER_BYTES:
                self.transport.abort()
            return
        self._reported = False
        super().data_received(data)
        if self._reported:
            self._silent = 0
        elif self._silent > MAX_HEAD and self._refusal is None:
            self._refuse(_large_head())

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head = self._count = 0
        self._reported = True
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self._reported = True
        self._head += len(url)
        if self._head > MAX_URL:
            self._refusal = Problem(414, "url_too_long", f"The URL is longer than {MAX_URL} bytes.")
            raise self._refusal
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header, of the head or after a chunked body."""
        self._reported = True
        self._head += len(name) + len(value)
        self._count += 1
        if self._head > MAX_HEAD or self._count > MAX_HEADERS:
            self._refusal = _large_head()
            raise self._refusal
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request begins."""
        self._in_time()
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self._refusal = Problem(429, "too_many_at_once", f"At most {MAX_PIPELINED} requests ahead.")
            raise self._refusal

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._reported = True
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """A chunk begins; what its line says beside the size is dropped by the parser."""
        self._reported = True

    def on_message_complete(self) -> None:
        """The body has ended."""
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answered, perhaps before the body has ended."""
        super().on_response_complete()
        open_body = self.cycle.response_complete and self.cycle.more_body
        if open_body and self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(REST_SECONDS, self.transport.close)

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade that nobody speaks is an ordinary request, and no line in the log."""

    def send_400_response(self, msg: str) -> None:
        """The parser stopped: for a limit of ours, or because the bytes are not HTTP."""
        self._refuse(self._refusal or Problem(400, "bad_request", "The bytes are not an HTTP request."))

    def _refuse(self, problem: Problem) -> None:
        self._refusal, self._silent = problem, 0
        self._in_time()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer now would be taken for that of the request before
            return
        self.transport.write(_raw(problem))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _too_late(self) -> None:
        self._late = None
        self._refuse(Problem(408, "head_too_slow", f"The head took more than {HEAD_SECONDS:.0f} seconds."))

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _large_head() -> Problem:
    detail = f"The headers have more than {MAX_HEAD} bytes, or are more than {MAX_HEADERS}."
    return Problem(431, "headers_too_large", detail)


def _raw(problem: Problem) -> bytes:
    answer = render(problem, new_id("req"))
    lines = [b"%s: %s\r\n" % pair for pair in [*answer.raw_headers, (b"connection", b"close")]]
    return STATUS_LINE[problem.status_code] + b"".join(lines) + b"\r\n" + bytes(answer.body)
