"""One service as the verbs see it: address, retries, and who carries their steps out."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from evoselect_client.core.calls import Call, HttpResponse, retry_delay
from evoselect_client.core.listed import AsyncListed, Listed
from evoselect_client.core.log import logger
from evoselect_client.core.options import Options
from evoselect_client.core.response import Response
from evoselect_client.core.steps import (
    Async,
    Emit,
    Mode,
    NoResponse,
    Page,
    Pause,
    Step,
    Steps,
    Sync,
    Values,
    World,
    exchange,
    resume,
)
from evoselect_client.errors import ConnectionFailedError

T = TypeVar("T")


@dataclass(frozen=True)
class Session(Generic[Mode]):
    """What all nouns of one client share."""

    world: World
    base_url: str
    max_retries: int
    options: Options = field(default_factory=Options)

    def changed(self, max_retries: int | None, options: Mapping[str, Any]) -> Session[Mode]:
        """The same with what is not None of the options."""
        given = {name: value for name, value in options.items() if value is not None}
        retries = self.max_retries if max_retries is None else max_retries
        return replace(self, max_retries=retries, options=replace(self.options, **given))

    @property
    def plain(self) -> Session[Any]:
        """Where resources belong that came through here."""
        return self

    def send(self, call: Call[T], into: Path | None = None) -> Steps[T]:
        """The call's result; tried again where that can help, for `call.outage_seconds` or max_retries times.

        With `into` the answer's body goes into that file, a piece in memory at a time.
        Raises ApiError for a refusal, and ConnectionFailedError when no try was answered.
        """
        call = self.options.applied(call)
        started = time.monotonic()
        for attempt in itertools.count():
            answer, fault = yield from _try(call, into)
            if answer is not None and answer.is_success:
                return answer.result(call)
            delay = _delay(attempt, answer)
            over = attempt >= self.max_retries
            if call.outage_seconds and (answer is None or answer.status >= 500):
                over = time.monotonic() - started > call.outage_seconds
            if delay is None or over:
                break
            logger.info("%s %s is tried again in %.1f s", call.method, call.path, delay)
            yield Pause(delay)
        if answer is None:
            raise ConnectionFailedError(
                f"No answer from {self.base_url} in {attempt + 1} tries: {fault}. Is it up?"
            ) from fault
        raise answer.error()


class SyncSession(Session[Sync]):
    """Carries steps out in place."""

    @property
    def raw(self) -> RawSession:
        """The same, which gives answers beside values."""
        return RawSession(self.world, self.base_url, self.max_retries, self.options)

    def run(self, steps: Steps[T]) -> T:
        """The value that the steps end with."""
        outcome, fault = None, None
        try:
            while True:
                outcome, fault = self._perform(resume(steps, outcome, fault))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            steps.close()

    def iterate(self, values: Values[T]) -> Listed[T]:
        """The values that the steps emit."""
        return Listed(self._pages(values))

    def _pages(self, values: Values[T]) -> Iterator[Page[T]]:
        outcome, fault = None, None
        try:
            while True:
                step = resume(values, outcome, fault)
                if isinstance(step, Emit):
                    outcome, fault = None, None
                    yield step.page
                else:
                    outcome, fault = self._perform(step)
        except StopIteration:
            return
        finally:
            values.close()

    def _perform(self, step: Step) -> tuple[Any, BaseException | None]:
        """What the step came to: its outcome, or what it raised; the steps are told of Ctrl-C too."""
        try:
            return step.on(self.world), None
        except (Exception, KeyboardInterrupt) as error:
            return None, error


class AsyncSession(Session[Async]):
    """Awaits steps; otherwise its methods are those of SyncSession."""

    @property
    def raw(self) -> AsyncRawSession:
        """The same, which gives answers beside values."""
        return AsyncRawSession(self.world, self.base_url, self.max_retries, self.options)

    async def run(self, steps: Steps[T]) -> T:
        """The value that the steps end with."""
        outcome, fault = None, None
        try:
            while True:
                outcome, fault = await self._perform(resume(steps, outcome, fault))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            steps.close()

    def iterate(self, values: Values[T]) -> AsyncListed[T]:
        """The values that the steps emit."""
        return AsyncListed(self._pages(values))

    async def _pages(self, values: Values[T]) -> AsyncIterator[Page[T]]:
        outcome, fault = None, None
        try:
            while True:
                step = resume(values, outcome, fault)
                if isinstance(step, Emit):
                    outcome, fault = None, None
                    yield step.page
                else:
                    outcome, fault = await self._perform(step)
        except StopIteration:
            return
        finally:
            values.close()

    async def _perform(self, step: Step) -> tuple[Any, Exception | None]:
        """What the step came to: its outcome, or what it raised."""
        try:
            return await step.on(self.world), None
        except Exception as error:
            return None, error


@dataclass
class _Last:
    """The last answer that steps got."""

    answer: HttpResponse | None = None

    def set(self, outcome: Any) -> None:
        """Remember it if it is one."""
        self.answer = outcome if isinstance(outcome, HttpResponse) else self.answer

    def response(self, parsed: T) -> Response[T]:
        """With what the verb made of it; a verb that asks nothing has no answer."""
        answer = self.answer or HttpResponse(204, {}, b"")
        return Response(answer.status, answer.headers, answer.content, parsed)


class RawSession(SyncSession):
    """Gives the last answer beside what a verb returns."""

    @property
    def plain(self) -> Session[Any]:
        """Resources that came through here are ordinary ones."""
        return SyncSession(self.world, self.base_url, self.max_retries, self.options)

    def run(self, steps: Steps[T]) -> Any:
        """A Response with the value that the steps end with."""
        last = _Last()
        return last.response(super().run(_watched(steps, last)))


class AsyncRawSession(AsyncSession):
    """As RawSession, awaited."""

    @property
    def plain(self) -> Session[Any]:
        """Resources that came through here are ordinary ones."""
        return AsyncSession(self.world, self.base_url, self.max_retries, self.options)

    async def run(self, steps: Steps[T]) -> Any:
        """A Response with the value that the steps end with."""
        last = _Last()
        return last.response(await super().run(_watched(steps, last)))


def _watched(steps: Steps[T], last: _Last) -> Steps[T]:
    """The same steps, their answers remembered."""
    outcome, fault = None, None
    try:
        while True:
            step = resume(steps, outcome, fault)
            outcome, fault = None, None
            try:
                outcome = yield step
                last.set(outcome)
            except Exception as error:
                fault = error
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        steps.close()


def _try(call: Call[Any], into: Path | None) -> Steps[tuple[HttpResponse | None, NoResponse | None]]:
    try:
        return (yield from exchange(call, into)), None
    except NoResponse as fault:
        return None, fault


def _delay(attempt: int, answer: HttpResponse | None) -> float | None:
    if answer is None:
        return retry_delay(attempt, status=None, code=None, retry_after=None)
    return retry_delay(attempt, status=answer.status, code=answer.code, retry_after=answer.retry_after)
