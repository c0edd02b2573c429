"""What surrounds every request, outermost first: Heads, Tracing where it is on, Journal, Envelope,
Authentication, Sessions, RateLimit, Decoding, BodyLimit."""

import asyncio
import logging
from typing import Any

from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.authentication import Authentication
from service.edge.heads import Heads
from service.edge.journal import Journal
from service.edge.rates import RateLimit
from service.edge.sessions import Sessions
from service.edge.shares import NOBODY
from service.edge.tracing import Tracing
from service.http import problems
from service.http.decoding import Decoding
from service.http.media import ARROW, BINARY, NDJSON, PARQUET, media_type
from service.http.problems import Problem
from service.http.space import is_full
from service.services import State
from store.kit.ids import new_id

logger = logging.getLogger(__name__)
DRAIN_BYTES = 64 * 2**20  # of a tenant's refused body are read before the answer, so that it is seen
DRAIN_SECONDS = 10.0
STRANGERS_BYTES = 64 * 1024  # of a body without a key
SMALL_BYTES = 2**20  # of a body that needs no slot


class Envelope:
    """Gives every request an id, turns unhandled errors into problems, and lets refused uploads end well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        body = _Body(receive)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                if message["status"] >= 400 and "tenant_id" in scope["state"]:
                    await body.drain()
            await send(message)

        try:
            await self.app(scope, body.receive, send_with_id)
        except ClientDisconnect:
            logger.info("request %s: the client went away before its body was complete", request_id)
        except Exception as error:
            if started:
                raise
            response = problems.render(_problem_of(error, request_id), request_id)
            await response(scope, body.receive, send_with_id)


def _problem_of(error: Exception, request_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, OperationalError):
        return problems.of_database(error)
    if is_full(error):
        logger.error("request %s found a full disk: %s", request_id, error)
        return problems.storage_full()
    logger.exception("request %s failed", request_id)
    return problems.internal()


class _Body:
    """The request's body; knows whether all of it was read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read and drop what the client still sends, within bounds: closing early would hide the answer."""
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


class BodyLimit:
    """Refuses bodies over the limit of their media type, by Content-Length or while they come in.

    A large one holds a slot of its tenant from then on until it is answered.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.settings = state.settings
        self._large = state.shares.large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        tenant_id = scope["state"].get("tenant_id", NOBODY)
        limit = STRANGERS_BYTES if tenant_id == NOBODY else self._limit(scope["path"], headers)
        if headers.get("content-length", "").isdigit() and int(headers["content-length"]) > limit:
            raise _too_large(limit)
        seen, held = 0, False

        async def receive_within_limit() -> Message:
            nonlocal seen, held
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_large(limit)
            if seen > SMALL_BYTES and not held:
                await self._large.enter(tenant_id)
                held = True
            return message

        try:
            await self.app(scope, receive_within_limit, send)
        finally:
            if held:
                self._large.leave(tenant_id)

    def _limit(self, path: str, headers: Headers) -> int:
        if media_type(headers.get("content-type")) not in (NDJSON, PARQUET, ARROW, BINARY):
            return self.settings.max_json_bytes
        if path.startswith("/v1/files"):
            return self.settings.max_file_bytes
        return (
            self.settings.max_part_bytes if path.startswith("/v1/uploads") else self.settings.max_batch_bytes
        )


def _too_large(limit: int) -> Problem:
    detail = (
        f"The body is larger than {limit} bytes; send candidates as NDJSON to /v1/pools/{{id}}/batches, "
        "and large files in parts to /v1/uploads."
    )
    return Problem(413, "body_too_large", detail)


def stack(state: State) -> list[tuple[Any, dict[str, Any]]]:
    """The middleware with its arguments, outermost first."""
    return [
        (Heads, {}),
        *([(Tracing, {})] if state.settings.traces else []),
        (Journal, {"metrics": state.metrics}),
        (Envelope, {}),
        (Authentication, {"state": state}),
        (Sessions, {"state": state}),
        (RateLimit, {"state": state}),
        (Decoding, {}),
        (BodyLimit, {"state": state}),
    ]
