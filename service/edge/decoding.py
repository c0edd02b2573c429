"""Compressed bodies are decoded on their way in."""

from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.decoding import ENCODINGS, Decoder
from service.http.problems import Problem


class Decoding:
    """Gives the application plain bodies; refuses encodings that it does not know, and any without a key."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encoding = _encoding(scope)
        if encoding == "identity":
            await self.app(scope, receive, send)
            return
        if not scope["path"].startswith("/v1/"):
            detail = "Forms come plain: leave Content-Encoding out."
            raise Problem(415, "unsupported_encoding", detail)
        if encoding not in ENCODINGS:
            detail = f"Content-Encoding {encoding!r:.40} is not understood; use {' or '.join(ENCODINGS)}."
            raise Problem(415, "unsupported_encoding", detail)
        headers = MutableHeaders(scope=scope)
        for name in ("content-encoding", "content-length"):
            del headers[name]
        await self.app(scope, _Decoded(receive, Decoder(encoding)).receive, send)


def _encoding(scope: Scope) -> str:
    if scope["type"] != "http":
        return "identity"
    return Headers(scope=scope).get("content-encoding", "identity").strip().lower()


class _Decoded:
    """The messages of a request with their bodies decoded."""

    def __init__(self, receive: Receive, decoder: Decoder) -> None:
        self._receive = receive
        self._decoder = decoder
        self._pieces: Iterator[bytes] = iter(())
        self._last = False

    async def receive(self) -> Message:
        while True:
            piece = await run_in_threadpool(next, self._pieces, None)
            if piece is not None:
                return {"type": "http.request", "body": piece, "more_body": True}
            if self._last:
                self._decoder.finish()
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._pieces = self._decoder.feed(message.get("body", b""))
            self._last = not message.get("more_body", False)
