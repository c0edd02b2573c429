"""One call of the API as a value: what to send, what the answer becomes, and whether to try again.

Nothing here waits or opens a connection, so that a synchronous and an asynchronous client can share it.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from evoselect_client.errors import ApiError, from_problem

T = TypeVar("T")

FIRST_DELAY = 0.5  # seconds before the first retry
LONGEST_DELAY = 8.0  # seconds; the exponential growth stops here
LONGEST_RETRY_AFTER = 60.0  # seconds that a server may ask for and still be obeyed
RETRIED = frozenset((408, 429, 502, 503, 504))
IN_FLIGHT = "idempotency_in_flight"  # the first try of the same call still runs on the server


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request and the function that turns the decoded JSON answer into its result."""

    method: str
    path: str
    decode: Callable[[Any], T]
    params: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    read_timeout: float | None = None  # seconds; None is the client's default


def get(path: str, decode: Callable[[Any], T], **params: Any) -> Call[T]:
    """A GET; parameters that are None are left out."""
    return Call("GET", path, decode, params=_given(params))


def post(path: str, decode: Callable[[Any], T], body: dict[str, Any], **params: Any) -> Call[T]:
    """A JSON POST that may be repeated: every try carries the same Idempotency-Key."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return Call("POST", path, decode, params=_given(params), json=_given(body), headers=headers)


def post_lines(path: str, decode: Callable[[Any], T], content: bytes, **params: Any) -> Call[T]:
    """A POST of NDJSON bytes; its client_batch_id parameter makes it safe to repeat."""
    return Call(
        "POST",
        path,
        decode,
        _given(params),
        content=content,
        headers={"Content-Type": "application/x-ndjson"},
    )


def post_bytes(path: str, decode: Callable[[Any], T], content: bytes, **params: Any) -> Call[T]:
    """A POST of bytes; a repeated one stores a second copy, which nothing refers to."""
    headers = {"Content-Type": "application/octet-stream"}
    return Call("POST", path, decode, _given(params), content=content, headers=headers)


def retry_delay(
    attempt: int, *, status: int | None, code: str | None, retry_after: float | None
) -> float | None:
    """Seconds until the next try, or None when trying again cannot help. `status` None: no answer came."""
    if status is not None and status not in RETRIED and code != IN_FLIGHT:
        return None
    if retry_after is not None:
        return retry_after if retry_after <= LONGEST_RETRY_AFTER else None
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0**attempt)
    return ceiling * random.uniform(0.5, 1.0)  # jitter: clients that failed together do not return together


def read_retry_after(value: str | None) -> float | None:
    """The header's delta-seconds; the date form is ignored, because this service does not send it."""
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


def error_from(status: int, body: Any) -> ApiError:
    """The error of a refused call; a proxy's HTML page becomes a problem without details."""
    return from_problem(status, body if isinstance(body, dict) else {})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
