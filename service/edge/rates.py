"""Requests per second of each tenant, counted in Valkey so that all API processes share the count.

Headers as in draft-ietf-httpapi-ratelimit-headers: RateLimit-Policy says the limit, RateLimit what is left.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence

import redis.exceptions
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import Problem
from service.services import State

logger = logging.getLogger(__name__)
ANSWER_SECONDS = 0.25  # a counter that does not answer by then is away
AWAY_SECONDS = 1.0  # before it is asked again
FAULTS = (redis.exceptions.RedisError, OSError, TimeoutError)


class RateLimit:
    """Answers 429 to a tenant that asks too often; the setting `rates_without_redis` decides an outage."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        settings = state.settings
        self._item = RateLimitItemPerSecond(settings.requests_per_second)
        self._closed = settings.rates_without_redis == "closed"
        self._away_until = 0.0
        self._counter = _counter(settings.redis_url) if settings.redis_url else None
        self._waiting: dict[str, list[asyncio.Future[int]]] = {}  # by tenant
        self._counting: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenant_id = scope.get("state", {}).get("tenant_id")
        if scope["type"] != "http" or tenant_id is None:
            await self.app(scope, receive, send)
            return
        left = await self._left(tenant_id)
        if left is not None and left < 0:
            raise await self._refusal(tenant_id)
        if turn := scope["state"].get("turn"):  # none for pages
            turn.end()
        if left is None:
            await self.app(scope, receive, send)
            return
        headers = self._headers(left)

        async def send_with_rates(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self.app(scope, receive, send_with_rates)

    async def _left(self, tenant_id: str) -> int | None:
        """Requests that the tenant may still send in this second; None when nobody counts."""
        if self._counter and time.monotonic() >= self._away_until:
            try:
                return self._item.amount - await self._counted(tenant_id)
            except FAULTS as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                logger.warning("the rate counter does not answer: %s", error)
        if self._closed:
            detail = "Requests cannot be counted right now, so none is taken; send it again."
            raise Problem(503, "rates_unavailable", detail, headers={"Retry-After": "1"})
        return None

    async def _counted(self, tenant_id: str) -> int:
        """Which request of this second it is. Those that come while one is counted are counted together."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.setdefault(tenant_id, []).append(future)
        if tenant_id not in self._counting:
            self._counting[tenant_id] = loop.create_task(self._count(tenant_id))
        return await future

    async def _count(self, tenant_id: str) -> None:
        key, seconds = self._item.key_for(tenant_id), self._item.get_expiry()
        while batch := self._waiting.pop(tenant_id, None):
            try:
                last = await self._counter.incr(key, seconds, amount=len(batch))  # type: ignore[union-attr]
            except Exception as error:
                _settle(batch, [error] * len(batch))
            else:
                _settle(batch, range(last - len(batch) + 1, last + 1))
        del self._counting[tenant_id]

    async def _refusal(self, tenant_id: str) -> Problem:
        seconds = await self._seconds_left(tenant_id)
        detail = f"More than {self._item.amount} requests per second; go on in {seconds} s."
        return Problem(429, "rate_limited", detail, headers={**self._headers(0), "Retry-After": str(seconds)})

    async def _seconds_left(self, tenant_id: str) -> int:
        if self._counter is None:
            return 1
        try:
            ends = await self._counter.get_expiry(self._item.key_for(tenant_id))
        except FAULTS:
            return 1
        return max(1, math.ceil(ends - time.time()))

    def _headers(self, left: int) -> dict[str, str]:
        policy = f'"requests";q={self._item.amount};w={self._item.get_expiry()}'
        return {"RateLimit-Policy": policy, "RateLimit": f'"requests";r={left}'}


def _settle(futures: Sequence[asyncio.Future[int]], outcomes: Sequence[int | Exception]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():  # its request was cancelled
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _counter(url: str) -> RedisStorage:
    """Connections are opened on first use."""
    return RedisStorage(
        f"async+{url}",
        implementation="redispy",
        key_prefix="evoselect:rates",
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )
