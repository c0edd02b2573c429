"""Requests to endpoints that users name: the one module that talks to generators and verifiers.

The connection goes to the address that store.kit.egress has checked, whatever the name resolves to later; no
redirects, no proxies, bounded time, bounded answers. A key stands in the request's header and nowhere else.
"""

import random
import threading
import time
from collections.abc import Mapping

import httpx
import orjson

from store.errors import Invalid
from store.kit.egress import Egress, Refused, Unreachable
from store.tables.json_columns import storable

MAX_RESPONSE_BYTES = 4 * 2**20  # bytes
TRIES = 4  # of one request
PORTS = {"https": 443, "http": 80}  # that a Host header leaves out
FIRST_DELAY_SECONDS = 1.0  # before the second try; doubles
LONGEST_DELAY_SECONDS = 60.0  # also of what a server may ask for
PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504))


class NoResponse(OSError):
    """Every try failed in a way that may pass; the message says how the last one did."""


class Pace:
    """Lets requests of all threads begin at even distances."""

    def __init__(self, per_minute: float | None) -> None:
        self._distance = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def delay(self) -> float:
        """Seconds to wait before the next request may begin."""
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + self._distance
            return begin - now


class Calls:
    """One endpoint; safe to share between threads. Closing it breaks off their waiting."""

    def __init__(
        self,
        url: str,
        key: str | None,
        way: Egress,
        *,
        seconds: float,
        per_minute: float | None,
        who: str = "generator",
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
    ) -> None:
        self._url = url
        self._who = who  # as messages and codes call it
        self._key = key
        self._way = way
        self._pace = Pace(per_minute)
        self._ended = threading.Event()
        self._first_delay = first_delay_seconds
        self._seconds = seconds
        self._client = httpx.Client(timeout=seconds, trust_env=False, follow_redirects=False)

    def close(self) -> None:
        """Close all connections; whoever waits for a next try gets NoResponse."""
        self._ended.set()
        self._client.close()

    def fetch(self, body: Mapping[str, object]) -> tuple[bytes, int]:
        """(the answer, how many tries it took); raises NoResponse, or Invalid where another try is no use."""
        reason = ""
        for number in range(TRIES):
            self._rest(self._pace.delay())
            try:
                response, content = self._post(body)
            except (httpx.RequestError, Unreachable) as error:
                reason, wait = self._clean(f"{type(error).__name__}: {error}"), None
            else:
                if response.status_code == 200:
                    return content, number + 1
                reason = self._clean(
                    f"status {response.status_code}: {content[:200].decode(errors='replace')}"
                )
                if response.status_code not in PASSING:
                    raise Invalid(
                        f"the {self._who} refuses the request with {reason}", code=f"{self._who}_refused"
                    )
                wait = _asked_to_wait(response)
            if number + 1 < TRIES:
                grown = self._first_delay * 2.0**number * random.uniform(0.75, 1.25)
                self._rest(min(LONGEST_DELAY_SECONDS, grown if wait is None else wait))
        raise NoResponse(f"the {self._who} gave no answer in {TRIES} tries; the last: {reason}")

    def _post(self, body: Mapping[str, object]) -> tuple[httpx.Response, bytes]:
        try:
            url, address = self._way.pinned(self._url)
        except Refused as error:
            raise Invalid(f"the {self._who} is not called: {error}", code="url_refused") from error
        host = f"[{address}]" if ":" in address else address
        named = f"[{url.host}]" if ":" in url.host else url.host
        headers = {"Host": named if url.port == PORTS[url.scheme] else f"{named}:{url.port}"}
        headers |= {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = self._client.build_request(
            "POST",
            f"{url.scheme}://{host}:{url.port}{url.target}",
            content=orjson.dumps(body),
            headers=headers,
            extensions={"sni_hostname": url.host},
        )
        deadline = time.monotonic() + self._seconds
        response = self._client.send(request, stream=True)
        try:
            return response, _bounded(response, deadline)
        finally:
            response.close()

    def _rest(self, seconds: float) -> None:
        if self._ended.wait(max(0.0, seconds)):
            raise NoResponse("the work was broken off")

    def _clean(self, text: str) -> str:
        """What may be stored of a foreign text."""
        return storable(text.replace(self._key, "***") if self._key else text)[:300]


def _bounded(response: httpx.Response, deadline: float) -> bytes:
    """The body; httpx's own timeout is between two pieces, and a server may drip for ever."""
    pieces, size = [], 0
    for piece in response.iter_raw():  # as it comes: nothing here expands
        size += len(piece)
        if size > MAX_RESPONSE_BYTES:
            raise httpx.ReadError(f"the answer is longer than {MAX_RESPONSE_BYTES} bytes")
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer took too long")
        pieces.append(piece)
    return b"".join(pieces)


def _asked_to_wait(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None
