"""The only module that knows httpx: carries out the steps of a client of either kind."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx

from evoselect_client.calls import JSON, Answer, Call, Content
from evoselect_client.config import Endpoint
from evoselect_client.steps import NoAnswer

CONNECT_TIMEOUT = 5.0  # seconds
PIECE = 2**18  # bytes given to httpx at once, which copies what the socket did not take at the first try
STREAM = "text/event-stream"


class SyncWorld:
    """A pool of connections to one service. Thread-safe."""

    def __init__(
        self, endpoint: Endpoint, user_agent: str, timeout: float, http: httpx.BaseTransport | None
    ) -> None:
        self._timeout = timeout
        self._http = httpx.Client(
            base_url=endpoint.base_url, headers=_headers(endpoint, user_agent), transport=http
        )

    def exchange(self, call: Call[Any]) -> Answer:
        """Send one request; raises NoAnswer."""
        try:
            return _answer(self._http.request(**_request(call, self._timeout, _pieces)))
        except httpx.TransportError as error:
            raise _no_answer(error) from error

    def follow(self, call: Call[Any], take: Callable[[str], bool]) -> Answer | None:
        """Give lines to `take` until it returns True or the stream ends; raises NoAnswer."""
        try:
            with self._http.stream(**_request(call, self._timeout, _pieces)) as response:
                if not _is_stream(response):
                    response.read()
                    return _answer(response)
                for line in response.iter_lines():
                    if take(line):
                        break
        except httpx.TransportError as error:
            raise _no_answer(error) from error
        return None

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def work(self, function: Callable[[], Any]) -> Any:
        """Call it."""
        return function()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


class AsyncWorld:
    """A pool of connections for one event loop, of asyncio or trio; otherwise as SyncWorld."""

    def __init__(
        self, endpoint: Endpoint, user_agent: str, timeout: float, http: httpx.AsyncBaseTransport | None
    ) -> None:
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            base_url=endpoint.base_url, headers=_headers(endpoint, user_agent), transport=http
        )

    async def exchange(self, call: Call[Any]) -> Answer:
        """Send one request; raises NoAnswer."""
        try:
            return _answer(await self._http.request(**_request(call, self._timeout, _awaited_pieces)))
        except httpx.TransportError as error:
            raise _no_answer(error) from error

    async def follow(self, call: Call[Any], take: Callable[[str], bool]) -> Answer | None:
        """Give lines to `take` until it returns True or the stream ends; raises NoAnswer."""
        try:
            async with self._http.stream(**_request(call, self._timeout, _awaited_pieces)) as response:
                if not _is_stream(response):
                    await response.aread()
                    return _answer(response)
                async for line in response.aiter_lines():
                    if take(line):
                        break
        except httpx.TransportError as error:
            raise _no_answer(error) from error
        return None

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await anyio.sleep(seconds)

    async def work(self, function: Callable[[], Any]) -> Any:
        """Call it in a thread, so that the loop goes on."""
        return await anyio.to_thread.run_sync(function)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _headers(endpoint: Endpoint, user_agent: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {endpoint.api_key}", "User-Agent": user_agent, "Accept": JSON}


def _request(call: Call[Any], timeout: float, pieces: Callable[[Content], Any]) -> dict[str, Any]:
    read = call.read_timeout or timeout
    size = {"Content-Length": str(sum(map(len, call.content)))} if call.content else {}
    return {
        "method": call.method,
        "url": call.path,
        "params": call.params,
        "json": call.json,
        "content": pieces(call.content) if call.content else None,
        "headers": {"Accept": call.accept, **size, **call.headers},
        "timeout": httpx.Timeout(read, connect=min(CONNECT_TIMEOUT, read)),
    }


def _pieces(content: Content) -> Iterator[memoryview]:
    for one in content:
        view = memoryview(one)
        for start in range(0, len(view), PIECE):
            yield view[start : start + PIECE]


async def _awaited_pieces(content: Content) -> AsyncIterator[memoryview]:
    for piece in _pieces(content):
        yield piece


def _is_stream(response: httpx.Response) -> bool:
    return response.is_success and response.headers.get("content-type", "").startswith(STREAM)


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _no_answer(error: httpx.TransportError) -> NoAnswer:
    return NoAnswer(str(error) or type(error).__name__, timed_out=isinstance(error, httpx.ReadTimeout))
