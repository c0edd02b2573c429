"""One call of the API as a value: what to send, what the answer becomes, and whether to try again.

Nothing here waits or opens a connection, so that a synchronous and an asynchronous client can share it.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from evoselect_client.errors import ApiError, BadInputError, from_problem

T = TypeVar("T")
Content = tuple[bytes | memoryview, ...]  # in pieces, so that nothing is copied

FIRST_DELAY_SECONDS = 0.5  # before the first retry
LONGEST_DELAY_SECONDS = 8.0  # the exponential growth stops here
LONGEST_RETRY_AFTER_SECONDS = 60.0  # that a server may ask for and still be obeyed
RETRIED = frozenset((408, 429, 502, 503, 504))
JSON = "application/json"
KEY = "Idempotency-Key"
BYTES = "application/octet-stream"
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
OUTAGE_SECONDS = 120.0  # that the service may be away while something is sent
IN_FLIGHT = "idempotency_in_flight"  # the first try of the same call still runs on the server


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request and the function that turns the decoded JSON answer into its result."""

    method: str
    path: str
    decode: Callable[[Any], T]
    params: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    content: Content = ()
    headers: dict[str, str] = field(default_factory=dict)
    accept: str = JSON  # `decode` gets bytes for BYTES and PARQUET, with another type the answer's text
    read_timeout: float | None = None  # seconds; None is the client's default
    outage_seconds: float = 0.0  # that the service may be away; 0 leaves it at max_retries


@dataclass(frozen=True)
class HttpResponse:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case, or a mapping that ignores case
    content: bytes

    @property
    def is_success(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        """The code of a problem document."""
        body = self._json()
        return body.get("code") if isinstance(body, dict) else None

    @property
    def retry_after(self) -> float | None:
        """Seconds; the header's date form is ignored, because this service does not send it."""
        return read_retry_after(self.headers.get("retry-after"))

    def result(self, call: Call[T]) -> T:
        """What the call was made for; ApiError where the answer is none of this service's."""
        if self.status == 204:
            return call.decode(None)
        if call.accept in (BYTES, PARQUET):
            return call.decode(self.content)
        if call.accept != JSON:
            return call.decode(self.content.decode())
        body = self._json()
        if body is None:
            detail = f"{call.path} was answered without JSON: is base_url right?"
            raise from_problem(self.status, {"code": "not_json", "detail": detail})
        try:
            return call.decode(body)
        except (TypeError, ValueError) as error:
            detail = f"{call.path} was answered with other fields than this client knows ({_first(error)})"
            raise from_problem(
                self.status, {"code": "unknown_answer", "detail": f"{detail}: update the older of the two"}
            ) from error

    def error(self) -> ApiError:
        """The error of a refused call; a proxy's HTML page becomes a problem without details."""
        body = self._json()
        return from_problem(self.status, body if isinstance(body, dict) else {}, self)

    def _json(self) -> Any:
        """The decoded body, or None for an empty one or another media type."""
        if "json" not in self.headers.get("content-type", "") or not self.content:
            return None
        try:
            return json.loads(self.content)
        except ValueError:
            return None


def segment(id: str) -> str:
    """An id as one segment of a path: whatever it holds, it reaches no other route."""
    if not isinstance(id, str) or not id:
        raise BadInputError(f"{id!r:.80} is no id: send the text that the service gave")
    try:
        quoted = quote(id, safe="")
    except UnicodeEncodeError as error:
        raise BadInputError(f"{id!r:.80} is no id: {error.reason}") from None
    return quoted if id.strip(".") else quoted.replace(".", "%2E")  # "." and ".." would climb


def get(path: str, decode: Callable[[Any], T], **params: Any) -> Call[T]:
    """A GET; parameters that are None are left out."""
    return Call("GET", path, decode, params=_given(params))


def post(path: str, decode: Callable[[Any], T], body: dict[str, Any], **params: Any) -> Call[T]:
    """A JSON POST that may be repeated: every try carries the same Idempotency-Key."""
    headers = {KEY: str(uuid.uuid4())}
    return Call("POST", path, decode, params=_given(params), json=_given(body), headers=headers)


def post_bytes(path: str, decode: Callable[[Any], T], content: bytes, **params: Any) -> Call[T]:
    """A POST of bytes; a repeated one stores a second copy, which nothing refers to."""
    headers = {"Content-Type": "application/octet-stream"}
    return Call("POST", path, decode, _given(params), content=(content,), headers=headers)


def free(method: str, path: str, body: Any, params: Mapping[str, Any] | None) -> Call[Any]:
    """A call of any route that answers in JSON; one that makes or changes something may be repeated."""
    if not path.startswith("/"):  # behind the address it would name another host
        raise BadInputError(f"{path!r:.80} is no path: begin with a slash, as /v1/pools")
    headers = {KEY: str(uuid.uuid4())} if method.upper() in ("POST", "PATCH") else {}
    return Call(method.upper(), path, _as_it_is, dict(params or {}), json=body, headers=headers)


def _as_it_is(value: Any) -> Any:
    return value


def retry_delay(
    attempt: int, *, status: int | None, code: str | None, retry_after: float | None
) -> float | None:
    """Seconds until the next try, or None when trying again cannot help. `status` None: no answer came."""
    if status is not None and status not in RETRIED and code != IN_FLIGHT:
        return None
    if retry_after is not None:
        return retry_after if retry_after <= LONGEST_RETRY_AFTER_SECONDS else None
    ceiling = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0**attempt)
    return ceiling * random.uniform(0.5, 1.0)  # jitter: clients that failed together do not return together


def _first(error: Exception) -> str:
    """The first line of what pydantic and json say in several."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def read_retry_after(value: str | None) -> float | None:
    """The header's delta-seconds; the date form is ignored, because this service does not send it."""
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
