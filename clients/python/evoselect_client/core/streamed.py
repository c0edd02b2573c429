"""with_streaming_response: a verb's answer whose body is read while the caller iterates, not held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from evoselect_client.core.calls import HttpResponse
from evoselect_client.core.session import AsyncSession, Session, SyncSession
from evoselect_client.core.steps import Exchange, Open, Step, Steps, resume
from evoselect_client.errors import BadInputError


class Opened(Protocol):
    """An answer whose body has not been read; of an AsyncClient `close` is awaited, `chunks` `async for`."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> Any:
        """The body's bytes as they come; raises ConnectionFailedError where it is cut."""

    def close(self) -> Any:
        """Let go of the connection."""


class _Head:
    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.status = opened.status
        self.headers = opened.headers
        """A mapping that ignores the case of names."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status}, request {self.request_id})"

    @property
    def request_id(self) -> str | None:
        """Names the request in the service's log."""
        return self.headers.get("x-request-id")


class StreamedResponse(_Head):
    """The answer of a verb within its `with` block; its body can be read once."""

    def iter_bytes(self) -> Iterator[bytes]:
        """The body as it comes, in pieces of any size."""
        yield from self._opened.chunks()

    def iter_lines(self) -> Iterator[str]:
        """The body's lines without their ends, one in memory at a time."""
        lines = _Lines()
        for chunk in self.iter_bytes():
            yield from lines.whole(chunk)
        yield from lines.last()

    def read(self) -> bytes:
        """All that is left of the body."""
        return b"".join(self.iter_bytes())

    def save(self, path: str | Path) -> Path:
        """Write the body into a file; returns its path. A cut one leaves the part that came."""
        path = Path(path)
        with path.open("wb") as file:
            file.writelines(self.iter_bytes())
        return path


class AsyncStreamedResponse(_Head):
    """As StreamedResponse, within `async with`."""

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces of any size."""
        async for chunk in self._opened.chunks():
            yield chunk

    async def iter_lines(self) -> AsyncIterator[str]:
        """The body's lines without their ends, one in memory at a time."""
        lines = _Lines()
        async for chunk in self.iter_bytes():
            for line in lines.whole(chunk):
                yield line
        for line in lines.last():
            yield line

    async def read(self) -> bytes:
        """All that is left of the body."""
        return b"".join([chunk async for chunk in self.iter_bytes()])


class _Lines:
    """Cuts at line feeds alone: str.splitlines would cut within JSON too, at U+2028."""

    def __init__(self) -> None:
        self._rest = b""

    def whole(self, chunk: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return (line.decode() for line in lines)

    def last(self) -> Iterator[str]:
        return iter([self._rest.decode()] if self._rest else [])


class StreamedSession(SyncSession):
    """Gives a verb's first answer, unread, in place of what the verb would make of it."""

    @property
    def plain(self) -> Session[Any]:
        """What listings give is ordinary."""
        return SyncSession(self.world, self.base_url, self.max_retries, self.options)

    @contextmanager
    def run(self, steps: Steps[Any]) -> Iterator[Any]:  # type: ignore[override]
        """For a `with` block; retries and refusals are the verb's own."""
        opened = self._first(steps)
        try:
            yield StreamedResponse(opened)
        finally:
            opened.close()

    def _first(self, steps: Steps[Any]) -> Opened:
        outcome, fault = None, None
        try:
            while True:
                step = _unread(resume(steps, outcome, fault))
                outcome, fault = self._perform(step)
                if isinstance(step, Open) and not (fault or isinstance(outcome, HttpResponse)):
                    return outcome  # type: ignore[no-any-return]
        except StopIteration:
            raise BadInputError(NOTHING) from None
        finally:
            steps.close()


class AsyncStreamedSession(AsyncSession):
    """As StreamedSession, awaited."""

    @property
    def plain(self) -> Session[Any]:
        """What listings give is ordinary."""
        return AsyncSession(self.world, self.base_url, self.max_retries, self.options)

    @asynccontextmanager
    async def run(self, steps: Steps[Any]) -> AsyncIterator[Any]:  # type: ignore[override]
        """For an `async with` block; retries and refusals are the verb's own."""
        opened = await self._first(steps)
        try:
            yield AsyncStreamedResponse(opened)
        finally:
            await opened.close()

    async def _first(self, steps: Steps[Any]) -> Opened:
        outcome, fault = None, None
        try:
            while True:
                step = _unread(resume(steps, outcome, fault))
                outcome, fault = await self._perform(step)
                if isinstance(step, Open) and not (fault or isinstance(outcome, HttpResponse)):
                    return outcome  # type: ignore[no-any-return]
        except StopIteration:
            raise BadInputError(NOTHING) from None
        finally:
            steps.close()


NOTHING = "the verb asks the service nothing: there is no answer to stream"


def _unread(step: Step) -> Step:
    return Open(step.call) if isinstance(step, Exchange) else step
