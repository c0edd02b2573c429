"""The only module that knows httpx: carries out the steps of a client of either kind."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from evoselect_client.core.calls import Call, Content, HttpResponse
from evoselect_client.core.config import Endpoint
from evoselect_client.core.log import logger
from evoselect_client.core.steps import NoResponse
from evoselect_client.core.version import VERSION
from evoselect_client.errors import BadInputError, ConfigurationError, ConnectionFailedError

USER_AGENT = f"evoselect-client/{VERSION}"
CONNECT_TIMEOUT_SECONDS = 5.0
PIECE = 2**18  # bytes given to httpx at once, which copies what the socket did not take at the first try
STREAM = "text/event-stream"


class SyncWorld:
    """A pool of connections to one service. Thread-safe."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout: float,
        *,
        http: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        self._requests = _Requests(endpoint, timeout)
        self._owned = http_client is None
        with _configuring(endpoint):
            self._http = http_client or httpx.Client(transport=http, **surroundings(endpoint.base_url))

    def exchange(self, call: Call[Any]) -> HttpResponse:
        """Send one request; raises NoResponse."""
        with _sending(call):
            return _answer(self._http.request(**self._requests.of(call, _pieces)))

    def open(self, call: Call[Any]) -> HttpResponse | Body:
        """Send one request and leave the body of a success to be read; raises NoResponse."""
        with _sending(call):
            request = self._http.build_request(**self._requests.of(call, _pieces))
            response = self._http.send(request, stream=True)
            if response.is_success:
                return Body(response)
            response.read()
            return _answer(response)

    def fetch(self, call: Call[Any], path: Path) -> HttpResponse:
        """Send one request; the body of a success goes into the file. Raises NoResponse."""
        with _sending(call), self._http.stream(**self._requests.of(call, _pieces)) as response:
            if not response.is_success:
                response.read()
                return _answer(response)
            with path.open("wb") as file:
                file.writelines(response.iter_bytes())
            return HttpResponse(response.status_code, response.headers, b"")

    def follow(self, call: Call[Any], take: Callable[[str], bool]) -> HttpResponse | None:
        """Give lines to `take` until it returns True or the stream ends; raises NoResponse."""
        try:
            with self._http.stream(**self._requests.of(call, _pieces)) as response:
                if not _is_stream(response):
                    response.read()
                    return _answer(response)
                for line in response.iter_lines():
                    if take(line):
                        break
        except httpx.RequestError as error:
            raise _no_response(error) from error
        return None

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def work(self, function: Callable[[], Any]) -> Any:
        """Call it."""
        return function()

    def close(self) -> None:
        """Close all connections, unless they are the caller's own."""
        if self._owned:
            self._http.close()


class AsyncWorld:
    """A pool of connections for one event loop, of asyncio or trio; otherwise as SyncWorld."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeout: float,
        *,
        http: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._requests = _Requests(endpoint, timeout)
        self._owned = http_client is None
        with _configuring(endpoint):
            self._http = http_client or httpx.AsyncClient(transport=http, **surroundings(endpoint.base_url))

    async def exchange(self, call: Call[Any]) -> HttpResponse:
        """Send one request; raises NoResponse."""
        with _sending(call):
            return _answer(await self._http.request(**self._requests.of(call, _awaited_pieces)))

    async def open(self, call: Call[Any]) -> HttpResponse | AwaitedBody:
        """Send one request and leave the body of a success to be read; raises NoResponse."""
        with _sending(call):
            request = self._http.build_request(**self._requests.of(call, _awaited_pieces))
            response = await self._http.send(request, stream=True)
            if response.is_success:
                return AwaitedBody(response)
            await response.aread()
            return _answer(response)

    async def fetch(self, call: Call[Any], path: Path) -> HttpResponse:
        """Send one request; the body of a success goes into the file. Raises NoResponse."""
        with _sending(call):
            async with self._http.stream(**self._requests.of(call, _awaited_pieces)) as response:
                if not response.is_success:
                    await response.aread()
                    return _answer(response)
                async with await anyio.open_file(path, "wb") as file:
                    async for piece in response.aiter_bytes():
                        await file.write(piece)
                return HttpResponse(response.status_code, response.headers, b"")

    async def follow(self, call: Call[Any], take: Callable[[str], bool]) -> HttpResponse | None:
        """Give lines to `take` until it returns True or the stream ends; raises NoResponse."""
        try:
            async with self._http.stream(**self._requests.of(call, _awaited_pieces)) as response:
                if not _is_stream(response):
                    await response.aread()
                    return _answer(response)
                async for line in response.aiter_lines():
                    if take(line):
                        break
        except httpx.RequestError as error:
            raise _no_response(error) from error
        return None

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        await anyio.sleep(seconds)

    async def work(self, function: Callable[[], Any]) -> Any:
        """Call it in a thread, so that the loop goes on."""
        return await anyio.to_thread.run_sync(function)

    async def close(self) -> None:
        """Close all connections, unless they are the caller's own."""
        if self._owned:
            await self._http.aclose()


class Body:
    """An answer whose body has not been read."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status, self.headers = response.status_code, response.headers

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; raises ConnectionFailedError where it is cut."""
        with _reading():
            yield from self._response.iter_bytes()

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()


class AwaitedBody(Body):
    """As Body, of an AsyncClient."""

    async def chunks(self) -> AsyncIterator[bytes]:  # type: ignore[override]
        """The body as it comes; raises ConnectionFailedError where it is cut."""
        with _reading():
            async for piece in self._response.aiter_bytes():
                yield piece

    async def close(self) -> None:  # type: ignore[override]
        """Let go of the connection."""
        await self._response.aclose()


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (httpx.RequestError, httpx.StreamError) as error:
        reason = str(error) or type(error).__name__
        raise ConnectionFailedError(f"The answer was not read to its end ({reason}): ask again.") from error


def surroundings(base_url: str) -> dict[str, Any]:
    """What of the environment counts, as httpx takes it: proxies only where they could reach the service.

    One on this machine is asked directly; with TLS, the environment's certificates count there too.
    """
    if not _is_local(base_url):
        return {"trust_env": True}
    tls = urlsplit(base_url).scheme == "https"
    return {"trust_env": False, "verify": httpx.create_ssl_context() if tls else True}


def _is_local(base_url: str) -> bool:
    """Whether it goes to a loopback address."""
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _configuring(endpoint: Endpoint) -> Iterator[None]:
    """What the address, the key and the environment's proxies and certificates can be wrong about."""
    try:
        yield
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"No connection to {endpoint.base_url} can be made ({error}): check the address, the key, "
            "and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from error


@contextmanager
def _sending(call: Call[Any]) -> Iterator[None]:
    """What fails on the way, and what cannot be sent at all; the log has the time that it took."""
    started = time.monotonic()
    try:
        yield
        logger.debug("%s %s took %.0f ms", call.method, call.path, 1e3 * (time.monotonic() - started))
    except httpx.RequestError as error:
        raise _no_response(error) from error
    except (httpx.InvalidURL, RecursionError, TypeError, ValueError) as error:
        raise BadInputError(f"The request cannot be sent: {error}.") from error


class _Requests:
    """What httpx is given: the address and the key are of each request, so that any httpx client will do."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        with _configuring(endpoint):
            httpx.Headers({"Authorization": f"Bearer {endpoint.api_key}"})  # a key that is no text fails here
            httpx.URL(endpoint.base_url)
        self._base_url = endpoint.base_url
        self._own = {"Authorization": f"Bearer {endpoint.api_key}", "User-Agent": USER_AGENT}
        self._timeout = timeout

    def of(self, call: Call[Any], pieces: Callable[[Content], Any]) -> dict[str, Any]:
        """The arguments of httpx.Client.request."""
        read = call.read_timeout or self._timeout
        size = {"Content-Length": str(sum(map(len, call.content)))} if call.content else {}
        return {
            "method": call.method,
            "url": f"{self._base_url}{call.path}",
            "params": call.params,
            "json": call.json,
            "content": pieces(call.content) if call.content else None,
            "headers": {**self._own, "Accept": call.accept, **size, **call.headers},
            "timeout": httpx.Timeout(read, connect=min(CONNECT_TIMEOUT_SECONDS, read)),
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


def _answer(response: httpx.Response) -> HttpResponse:
    return HttpResponse(response.status_code, response.headers, response.content)


def _no_response(error: httpx.RequestError) -> NoResponse:
    return NoResponse(str(error) or type(error).__name__, timed_out=isinstance(error, httpx.ReadTimeout))
