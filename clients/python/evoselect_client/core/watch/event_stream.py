"""events(follow=True): a job's events as they happen, until the one that ends it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from evoselect_client.core.calls import Call
from evoselect_client.core.resource import TERMINAL
from evoselect_client.core.steps import Emit, Follow, NoResponse, Page, Pause, Values
from evoselect_client.errors import ConnectionFailedError

T = TypeVar("T")
STREAM = "text/event-stream"
SILENCE_SECONDS = 30.0  # a stream has at least a comment every 15 s
OUTAGE_SECONDS = 120.0  # without any answer before it is given up
OUTAGE_PAUSE_SECONDS = 1.0
ENDS = frozenset(f"job.{status}" for status in TERMINAL)


def followed(session: Any, path: str, decode: Callable[[Any], T], after: int) -> Values[T]:
    """Events with a number above `after`. Each look takes what the stream has until one event is whole."""
    answered = time.monotonic()
    while True:
        lines: list[str] = []
        call: Call[Any] = Call(
            "GET", path, dict, {"after": after}, accept=STREAM, read_timeout=SILENCE_SECONDS
        )
        try:
            other = yield Follow(session.options.applied(call), partial(_whole, seen=lines))
        except NoResponse as fault:
            if time.monotonic() - answered > OUTAGE_SECONDS:
                raise ConnectionFailedError(f"No answer from {session.base_url}: {fault}.") from fault
            yield Pause(OUTAGE_PAUSE_SECONDS)
            continue
        if other is not None and not (other.is_success or other.status in (429, 503)):
            raise other.error()
        if other is not None and other.status == 204:
            return
        answered = time.monotonic()
        if other is not None or not lines:
            yield Pause(OUTAGE_PAUSE_SECONDS)
            continue
        event = json.loads("".join(lines))
        after = event["sequence"]
        yield Emit(Page([decode(event)], event["type"] not in ENDS, after))
        if event["type"] in ENDS:
            return


def _whole(line: str, seen: list[str]) -> bool:
    """Keep the data of an event; whether it is complete, which an empty line says."""
    if line.startswith("data:"):
        seen.append(line[5:].lstrip())
    return not line and bool(seen)
