"""The envelope of a request: its id, and problems as documents."""

import asyncio
import logging

from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.quotas import is_full
from service.http import problems
from service.http.problems import Problem
from store.kit.ids import new_id

logger = logging.getLogger(__name__)
DRAIN_BYTES = 64 * 2**20  # of a tenant's refused body are read before the answer, so that it is seen
DRAIN_SECONDS = 10.0


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
