"""Requests that last longer than their key: they end soon after it was revoked or has expired."""

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send

from service.http.media import media_type
from service.http.problems import Problem
from service.http.shares import Slots
from store.accounts.api_keys import Principal

logger = logging.getLogger(__name__)
SECONDS = 1.0  # a key is looked up again after so long, while its request lasts
EVENTS = "text/event-stream"


class KeyEnded(Exception):
    """The key stopped working while an answer was sent."""


class KeyChecks:
    """Asks whether keys that were let in before still work; one per layer, used from one event loop."""

    def __init__(self, look_up: Callable[[str], Principal | None], lookups: Slots) -> None:
        self._look_up = look_up
        self._lookups = lookups
        self._asking: dict[str, asyncio.Task[bool]] = {}  # by key; all requests of a key ask once

    async def works(self, key_id: str) -> bool:
        """Whether the key worked at some time in the last SECONDS."""
        task = self._asking.get(key_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(key_id))
            self._asking[key_id] = task
        return await asyncio.shield(task)

    async def _ask(self, key_id: str) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with self._lookups.of(key_id):
                return await run_in_threadpool(self._look_up, key_id) is not None
        except (OperationalError, Problem) as error:  # who was let in outlives an outage
            logger.warning("key %s cannot be looked up again: %s", key_id, error)
            return True
        finally:
            loop.call_later(SECONDS, self._asking.pop, key_id, None)


class Lasting:
    """The two ends of one request, which look its key up again as long as it lasts."""

    def __init__(self, key_checks: KeyChecks, key_id: str, receive: Receive, send: Send) -> None:
        self._key_checks = key_checks
        self._key_id = key_id
        self._receive = receive
        self._send = send
        self._checked = time.monotonic()
        self._events = False

    async def receive(self) -> Message:
        """The next piece of the body; raises Problem 401."""
        message = await self._receive()
        if message["type"] == "http.request" and await self._ended():
            detail = "The key was revoked or has expired while the body came; nothing was stored."
            raise Problem(401, "wrong_api_key", detail, headers={"WWW-Authenticate": "Bearer"})
        return message

    async def send(self, message: Message) -> None:
        """The next piece of the answer; raises KeyEnded. A stream of events ends well, all else is cut."""
        if message["type"] == "http.response.start":
            self._events = media_type(Headers(raw=message.get("headers", [])).get("content-type")) == EVENTS
        elif message.get("more_body") and await self._ended():
            if self._events:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise KeyEnded
        await self._send(message)

    async def _ended(self) -> bool:
        if time.monotonic() - self._checked < SECONDS:
            return False
        works = await self._key_checks.works(self._key_id)
        self._checked = time.monotonic()
        return not works
