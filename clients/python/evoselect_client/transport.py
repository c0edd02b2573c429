"""The only module that knows httpx: sends calls, retries them, turns answers into values or errors."""

import time
from typing import Any, TypeVar

import httpx

from evoselect_client.calls import Call, error_from, read_retry_after, retry_delay
from evoselect_client.config import Endpoint
from evoselect_client.errors import ConnectionFailedError

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 60.0  # seconds


class Transport:
    """A pool of connections to one service. Thread-safe."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user_agent: str,
        max_retries: int,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._max_retries = max_retries
        self._http = httpx.Client(
            base_url=endpoint.base_url,
            headers={"Authorization": f"Bearer {endpoint.api_key}", "User-Agent": user_agent},
            timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
            transport=http,
            follow_redirects=False,
        )

    def send(self, call: Call[T]) -> T:
        """The call's decoded result; raises ApiError or, after all retries, ConnectionFailedError."""
        for attempt in range(self._max_retries + 1):
            response, fault = self._try(call)
            if response is not None and response.is_success:
                empty = response.status_code == httpx.codes.NO_CONTENT
                return call.decode(None if empty else _json(response))
            delay = self._delay(attempt, response)
            if delay is None or attempt == self._max_retries:
                break
            time.sleep(delay)
        if response is None:
            raise ConnectionFailedError(
                f"No answer from {self._endpoint.base_url} in {attempt + 1} tries: {fault}. Is it up?"
            ) from fault
        raise error_from(response.status_code, _body(response))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _try(self, call: Call[Any]) -> tuple[httpx.Response | None, Exception | None]:
        try:
            return self._http.send(self._request(call)), None
        except httpx.TransportError as error:
            return None, error

    def _request(self, call: Call[Any]) -> httpx.Request:
        timeout = call.read_timeout or READ_TIMEOUT
        return self._http.build_request(
            call.method,
            call.path,
            params=call.params,
            json=call.json,
            content=call.content,
            headers=call.headers,
            timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
        )

    @staticmethod
    def _delay(attempt: int, response: httpx.Response | None) -> float | None:
        if response is None:
            return retry_delay(attempt, status=None, code=None, retry_after=None)
        body = _body(response)
        code = body.get("code") if isinstance(body, dict) else None
        after = read_retry_after(response.headers.get("retry-after"))
        return retry_delay(attempt, status=response.status_code, code=code, retry_after=after)


def _json(response: httpx.Response) -> Any:
    body = _body(response)
    if body is None:
        problem = {"code": "not_json", "detail": f"{response.url} answered without JSON: is base_url right?"}
        raise error_from(response.status_code, problem)
    return body


def _body(response: httpx.Response) -> Any:
    """The decoded JSON, or None for an empty answer or another media type."""
    if "json" not in response.headers.get("content-type", "") or not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return None
