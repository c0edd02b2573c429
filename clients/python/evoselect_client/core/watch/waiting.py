"""wait(): by the stream of a job's events, or by long polls, or by polls, through restarts of the service.

The first way that gets through is used. A stream or a long poll that is answered by something else, or by
silence, is a proxy's doing, and the next way is taken. A connection that is refused or cut, or a 5xx, is an
outage: it is waited for, and then the same way goes on. Who watches progress gets a state every second,
because events tell of transitions only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from evoselect_client.core.calls import Call, segment
from evoselect_client.core.resource import TERMINAL
from evoselect_client.core.steps import Follow, NoResponse, Pause, Steps, exchange
from evoselect_client.core.watch import bars
from evoselect_client.core.watch.progress import JobLine
from evoselect_client.errors import (
    ConnectionFailedError,
    EvoSelectError,
    JobFailedError,
    RateLimitedError,
    ServerError,
    WaitTimeoutError,
)

STREAM = "text/event-stream"
SILENCE_SECONDS = 30.0  # a stream has at least a comment every 15 s
LONG_POLL_SECONDS = 30.0  # the service may hold one request
LONG_POLL_GRACE_SECONDS = 10.0  # that its answer may come later
WATCHED_POLL_SECONDS = 1.0  # between two states when somebody watches
POLL_PAUSE_SECONDS = 2.0  # between two plain polls
OUTAGE_SECONDS = 120.0  # without any answer before wait() gives up
OUTAGE_PAUSE_SECONDS = 1.0  # between tries while the service is away
ENDS = frozenset(f"event: job.{status}" for status in TERMINAL)


class Blocked(Exception):
    """This way of waiting does not get through."""


def wait(
    job: Any,
    noun: Any,
    *,
    progress: bool | Callable[[Any], None],
    timeout: float | None,
    cancel_on_interrupt: bool,
) -> Steps[Any]:
    """See Job.wait."""
    try:
        return (yield from _waited(job, noun, progress=progress, timeout=timeout))
    except KeyboardInterrupt:
        said = "goes on where its service runs"
        if cancel_on_interrupt:
            said = yield from _cancelled(job, noun)
        again = f"client.{noun.path.rpartition('/')[2]}.retrieve({job.id!r}).wait()"
        raise KeyboardInterrupt(f"{job.object} {job.id} {said}; to wait again: {again}") from None


def _cancelled(job: Any, noun: Any) -> Steps[str]:
    """What came of asking the job to stop."""
    try:
        yield from noun.cancel.steps(job.id)
    except EvoSelectError as error:
        return f"could not be asked to stop ({error})"
    return "was asked to stop"


def _waited(
    job: Any, noun: Any, *, progress: bool | Callable[[Any], None], timeout: float | None
) -> Steps[Any]:
    show = (bars.of_job() or JobLine()) if progress is True else progress or None
    deadline = None if timeout is None else time.monotonic() + timeout
    ways = [_long_poll, _poll] if show else [_stream, _long_poll, _poll]
    answered = time.monotonic()
    while job.status not in TERMINAL:
        if show:
            show(job)
        left = LONG_POLL_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(
                f"{job.object} {job.id} is still {job.status} after {timeout} s; it goes on."
            )
        try:
            job = yield from ways[0](
                job, noun, min(left, WATCHED_POLL_SECONDS if show else LONG_POLL_SECONDS)
            )
            answered = time.monotonic()
        except Blocked:
            ways = ways[1:]
        except (NoResponse, ServerError, RateLimitedError) as error:
            if time.monotonic() - answered > OUTAGE_SECONDS:
                raise _given_up(noun, error) from error
            yield Pause(OUTAGE_PAUSE_SECONDS)
    if show:
        show(job)
    if job.status != "completed":
        raise JobFailedError(job)
    return job


def _stream(job: Any, noun: Any, seconds: float) -> Steps[Any]:
    """The job after it has ended, or after `seconds` at the next sign of life."""
    if seconds < LONG_POLL_SECONDS:  # a quiet stream could not be left in time
        return (yield from _long_poll(job, noun, seconds))
    until = time.monotonic() + seconds
    path = f"{noun.path}/{segment(job.id)}/events"
    call: Call[Any] = Call("GET", path, dict, accept=STREAM, read_timeout=SILENCE_SECONDS)
    try:
        other = yield Follow(
            noun.session.options.applied(call), lambda line: line in ENDS or time.monotonic() > until
        )
    except NoResponse as fault:
        raise (Blocked() if fault.timed_out else fault) from fault
    if other is not None and other.status < 500 and other.status != 429:
        raise Blocked
    return (yield from _state(job, noun, 0))


def _long_poll(job: Any, noun: Any, seconds: float) -> Steps[Any]:
    try:
        return (yield from _state(job, noun, seconds))
    except NoResponse as fault:
        raise (Blocked() if fault.timed_out else fault) from fault
    except ServerError as error:
        raise (Blocked() if error.status == 504 else error) from error


def _poll(job: Any, noun: Any, seconds: float) -> Steps[Any]:
    yield Pause(min(seconds, POLL_PAUSE_SECONDS))
    return (yield from _state(job, noun, 0))


def _state(job: Any, noun: Any, seconds: float) -> Steps[Any]:
    """One look, without retries."""
    held = max(0, round(seconds))
    call: Call[Any] = Call(
        "GET",
        f"{noun.path}/{segment(job.id)}",
        noun._decode,
        {"wait": held},
        read_timeout=held + LONG_POLL_GRACE_SECONDS,
    )
    answer = yield from exchange(noun.session.options.applied(call))
    if not answer.is_success:
        raise answer.error()
    return answer.result(call)


def _given_up(noun: Any, error: Exception) -> Exception:
    if not isinstance(error, NoResponse):
        return error
    return ConnectionFailedError(
        f"No answer from {noun.session.base_url} for {OUTAGE_SECONDS:.0f} s: {error}."
    )
