"""The verbs of the client, written once: generators of steps that a client of either kind carries out.

A verb yields what touches the world (Exchange, Pause, Work, Follow) and gets the outcome back. `Client` runs
its steps in place, `AsyncClient` awaits them. The three descriptors give a verb the signature that fits the
client it is reached through: what `Client` returns as T, `AsyncClient` returns as an awaitable T.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, overload

from typing_extensions import TypeVar  # a dependency of pydantic; typing's own has no defaults before 3.13

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

    from evoselect_client.core.calls import Call, HttpResponse
    from evoselect_client.core.listed import AsyncListed, Listed
    from evoselect_client.core.nouns import Nouns
    from evoselect_client.core.resource import Bound
    from evoselect_client.core.response import Response
    from evoselect_client.core.streamed import AsyncStreamedResponse, StreamedResponse


class Sync:
    """Marks what belongs to a `Client`."""


class Async:
    """Marks what belongs to an `AsyncClient`."""


class Raw:
    """Marks what belongs to `Client.with_raw_response`."""


class AsyncRaw:
    """Marks what belongs to `AsyncClient.with_raw_response`."""


class Streamed:
    """Marks what belongs to `Client.with_streaming_response`."""


class AsyncStreamed:
    """Marks what belongs to `AsyncClient.with_streaming_response`."""


if TYPE_CHECKING:
    SyncBound: TypeAlias = "Bound[Sync] | Bound[Raw] | Bound[Streamed]"
    AsyncBound: TypeAlias = "Bound[Async] | Bound[AsyncRaw] | Bound[AsyncStreamed]"
    AnySync: TypeAlias = "Nouns[Any, Sync] | Nouns[Any, Raw] | Nouns[Any, Streamed] | SyncBound"
    AnyAsync: TypeAlias = "Nouns[Any, Async] | Nouns[Any, AsyncRaw] | Nouns[Any, AsyncStreamed] | AsyncBound"

P = ParamSpec("P")
T = TypeVar("T")
StepT = TypeVar("StepT")
Mode = TypeVar("Mode", default=Sync)
SyncT = TypeVar("SyncT", bound="SyncBound")
AsyncT = TypeVar("AsyncT", bound="AsyncBound")
Steps = Generator["Step", Any, T]
Values = Generator["Step | Emit[T]", Any, None]


class NoResponse(Exception):
    """A request had no complete answer; `timed_out` tells silence from a cut or refused connection."""

    def __init__(self, reason: str, *, timed_out: bool) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class World(Protocol):
    """What carries steps out; the methods of an asynchronous one return awaitables."""

    def exchange(self, call: Call[Any]) -> Any:
        """Send one request; the response, or NoResponse is raised."""

    def open(self, call: Call[Any]) -> Any:
        """Send one request; its answer with the body unread where it succeeds, else as of `exchange`."""

    def fetch(self, call: Call[Any], path: Path) -> Any:
        """As `exchange`; the body of a success goes into the file."""

    def follow(self, call: Call[Any], take: Callable[[str], bool]) -> Any:
        """Give each line of an event stream to `take` until it returns True; None, or another response."""

    def pause(self, seconds: float) -> Any:
        """Let time pass."""

    def work(self, function: Callable[[], Any]) -> Any:
        """Call what blocks for a moment, such as reading a file."""


class Step(Protocol):
    """One thing to do."""

    def on(self, world: World) -> Any:
        """Do it there."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, without retries."""

    call: Call[Any]

    def on(self, world: World) -> Any:
        """The response."""
        return world.exchange(self.call)


@dataclass(frozen=True)
class Open:
    """As Exchange; the body of a success is left to be read."""

    call: Call[Any]

    def on(self, world: World) -> Any:
        """The response, read or not."""
        return world.open(self.call)


@dataclass(frozen=True)
class Fetch:
    """As Exchange; the body of a success goes into a file, a piece in memory at a time."""

    call: Call[Any]
    path: Path

    def on(self, world: World) -> Any:
        """The response, without the body that the file has."""
        return world.fetch(self.call, self.path)


@dataclass(frozen=True)
class Follow:
    """A stream of lines."""

    call: Call[Any]
    take: Callable[[str], bool]

    def on(self, world: World) -> Any:
        """None once it was followed, or the response that was no stream."""
        return world.follow(self.call, self.take)


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float

    def on(self, world: World) -> Any:
        """Nothing."""
        return world.pause(self.seconds)


@dataclass(frozen=True)
class Work:
    """A function that blocks."""

    function: Callable[[], Any]

    def on(self, world: World) -> Any:
        """What it returns."""
        return world.work(self.function)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some values of a listing; `after` is what to list from for those that follow."""

    data: list[T]
    has_next_page: bool = True
    after: Any = None


@dataclass(frozen=True)
class Emit(Generic[T]):
    """The next page of a listing."""

    page: Page[T]


def exchange(call: Call[Any], into: Path | None = None) -> Steps[HttpResponse]:
    """Exchange, or Fetch into a file, with the type of its outcome."""
    answer: HttpResponse = yield Exchange(call) if into is None else Fetch(call, into)
    return answer


def resume(steps: Generator[StepT, Any, Any], outcome: Any, fault: BaseException | None) -> StepT:
    """The next step, after the outcome of the last one or what it raised."""
    return steps.send(outcome) if fault is None else steps.throw(fault)


def each(values: Values[T], take: Callable[[list[T]], object]) -> Steps[None]:
    """Give the values of a listing to `take`, page by page, within a verb and off an event loop."""
    outcome, fault = None, None
    try:
        while True:
            step = resume(values, outcome, fault)
            outcome, fault = None, None
            if isinstance(step, Emit):
                yield Work(functools.partial(take, step.page.data))
                continue
            try:
                outcome = yield step
            except Exception as error:
                fault = error
    except StopIteration:
        return


OWN = re.compile(r"\b(BoundT|JobT)\b")  # a noun's own resource
RESULTS = {"Steps": "{}", "Values": "Listed[{}]"}  # how the type of a verb's steps is shown to users


class _Described(Generic[P]):
    def __init__(self, steps: Callable[Concatenate[Any, P], Generator[Any, Any, Any]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    def _bound(self, instance: Any, perform: str) -> Any:
        if instance is None:  # help(Pools.add) shows what help(client.pools.add) does
            return _unbound(self)

        @functools.wraps(self._steps)
        def verb(*args: P.args, **kwargs: P.kwargs) -> Any:
            return getattr(instance.session, perform)(self._steps(instance, *args, **kwargs))

        verb.__signature__ = _signature(self._steps, instance)  # type: ignore[attr-defined]
        verb.steps = functools.partial(self._steps, instance)  # type: ignore[attr-defined]
        return verb


class _Shown(str):
    """An annotation that is shown without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _signature(steps: Callable[..., Any], instance: Any) -> inspect.Signature:
    """What users call: without self where it is bound, and with the result in place of the steps to it."""
    own = inspect.signature(steps)
    parameters = [one.replace(annotation=_shown(one.annotation)) for one in own.parameters.values()]
    result = str(own.return_annotation)
    for wrapper, shown in RESULTS.items():
        if result.startswith(f"{wrapper}["):
            result = shown.format(result[len(wrapper) + 1 : -1])
    if model := getattr(instance, "model", None):
        result = OWN.sub(model.__name__, result)
    bound = parameters if instance is None else parameters[1:]
    return own.replace(parameters=bound, return_annotation=_Shown(result.replace("[Mode]", "")))


def _shown(annotation: Any) -> Any:
    return _Shown(annotation) if isinstance(annotation, str) else annotation


def _unbound(descriptor: Any) -> Any:
    """The verb as an attribute of its class."""

    @functools.wraps(descriptor._steps)
    def verb(instance: Any, *args: Any, **kwargs: Any) -> Any:
        return descriptor.__get__(instance)(*args, **kwargs)

    verb.__signature__ = _signature(descriptor._steps, None)  # type: ignore[attr-defined]
    return verb


class Verb(_Described[P], Generic[P, T]):
    """A verb that returns a value."""

    if TYPE_CHECKING:

        def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None: ...

    @overload
    def __get__(
        self, instance: Nouns[Any, AsyncStreamed], owner: Any = None
    ) -> Callable[P, AbstractAsyncContextManager[AsyncStreamedResponse]]: ...
    @overload
    def __get__(
        self, instance: Nouns[Any, Streamed], owner: Any = None
    ) -> Callable[P, AbstractContextManager[StreamedResponse]]: ...
    @overload
    def __get__(
        self, instance: Nouns[Any, AsyncRaw], owner: Any = None
    ) -> Callable[P, Coroutine[Any, Any, Response[T]]]: ...
    @overload
    def __get__(self, instance: Nouns[Any, Raw], owner: Any = None) -> Callable[P, Response[T]]: ...
    @overload
    def __get__(
        self, instance: Nouns[Any, Async] | AsyncBound, owner: Any = None
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: Nouns[Any, Sync] | SyncBound, owner: Any = None) -> Callable[P, T]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._bound(instance, "run")


class Same(_Described[P]):
    """A verb of a resource that returns such a resource again."""

    @overload
    def __get__(self, instance: AsyncT, owner: Any = None) -> Callable[P, Coroutine[Any, Any, AsyncT]]: ...
    @overload
    def __get__(self, instance: SyncT, owner: Any = None) -> Callable[P, SyncT]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._bound(instance, "run")


class Listing(_Described[P], Generic[P, T]):
    """A verb whose values come one by one, fetched while the caller iterates; its steps Emit them."""

    if TYPE_CHECKING:

        def __init__(self, steps: Callable[Concatenate[Any, P], Values[T]]) -> None: ...

    @overload
    def __get__(self, instance: AnyAsync, owner: Any = None) -> Callable[P, AsyncListed[T]]: ...
    @overload
    def __get__(self, instance: AnySync, owner: Any = None) -> Callable[P, Listed[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._bound(instance, "iterate")
