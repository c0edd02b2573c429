"""One service as the verbs see it: address, retries, and who carries their steps out."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from evoselect_client.core.calls import Answer, Call, retry_delay
from evoselect_client.core.steps import (
    Async,
    Emit,
    Mode,
    NoAnswer,
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

    def send(self, call: Call[T]) -> Steps[T]:
        """The call's result; tried again where that can help, for `call.outage` seconds or max_retries times.

        Raises ApiError for a refusal, and ConnectionFailedError when no try was answered.
        """
        started = time.monotonic()
        for attempt in itertools.count():
            answer, fault = yield from _try(call)
            if answer is not None and answer.is_success:
                return answer.result(call)
            delay = _delay(attempt, answer)
            over = attempt >= self.max_retries
            if call.outage and (answer is None or answer.status >= 500):
                over = time.monotonic() - started > call.outage
            if delay is None or over:
                break
            yield Pause(delay)
        if answer is None:
            raise ConnectionFailedError(
                f"No answer from {self.base_url} in {attempt + 1} tries: {fault}. Is it up?"
            ) from fault
        raise answer.error()


class SyncSession(Session[Sync]):
    """Carries steps out in place."""

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

    def iterate(self, values: Values[T]) -> Iterator[T]:
        """The values that the steps emit."""
        outcome, fault = None, None
        try:
            while True:
                step = resume(values, outcome, fault)
                if isinstance(step, Emit):
                    outcome, fault = None, None
                    yield step.value
                else:
                    outcome, fault = self._perform(step)
        except StopIteration:
            return
        finally:
            values.close()

    def _perform(self, step: Step) -> tuple[Any, Exception | None]:
        """What the step came to: its outcome, or what it raised."""
        try:
            return step.on(self.world), None
        except Exception as error:
            return None, error


class AsyncSession(Session[Async]):
    """Awaits steps; otherwise its methods are those of SyncSession."""

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

    async def iterate(self, values: Values[T]) -> AsyncIterator[T]:
        """The values that the steps emit."""
        outcome, fault = None, None
        try:
            while True:
                step = resume(values, outcome, fault)
                if isinstance(step, Emit):
                    outcome, fault = None, None
                    yield step.value
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


def _try(call: Call[Any]) -> Steps[tuple[Answer | None, NoAnswer | None]]:
    try:
        return (yield from exchange(call)), None
    except NoAnswer as fault:
        return None, fault


def _delay(attempt: int, answer: Answer | None) -> float | None:
    if answer is None:
        return retry_delay(attempt, status=None, code=None, retry_after=None)
    return retry_delay(attempt, status=answer.status, code=answer.code, retry_after=answer.retry_after)
