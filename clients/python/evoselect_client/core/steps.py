"""The verbs of the client, written once: generators of steps that a client of either kind carries out.

A verb yields what touches the world (Exchange, Pause, Work, Follow) and gets the outcome back. `Client` runs
its steps in place, `AsyncClient` awaits them. The three descriptors give a verb the signature that fits the
client it is reached through: what `Client` returns as T, `AsyncClient` returns as an awaitable T.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, overload

from typing_extensions import TypeVar  # a dependency of pydantic; typing's own has no defaults before 3.13

if TYPE_CHECKING:
    from evoselect_client.core.calls import Answer, Call
    from evoselect_client.core.nouns import Nouns
    from evoselect_client.core.resource import Bound


class Sync:
    """Marks what belongs to a `Client`."""


class Async:
    """Marks what belongs to an `AsyncClient`."""


P = ParamSpec("P")
T = TypeVar("T")
StepT = TypeVar("StepT")
Mode = TypeVar("Mode", default=Sync)
SyncT = TypeVar("SyncT", bound="Bound[Sync]")
AsyncT = TypeVar("AsyncT", bound="Bound[Async]")
Steps = Generator["Step", Any, T]
Values = Generator["Step | Emit[T]", Any, None]


class NoAnswer(Exception):
    """A request had no complete answer; `timed_out` tells silence from a cut or refused connection."""

    def __init__(self, reason: str, *, timed_out: bool) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class World(Protocol):
    """What carries steps out; the methods of an asynchronous one return awaitables."""

    def exchange(self, call: Call[Any]) -> Any:
        """Send one request; the Answer, or NoAnswer is raised."""

    def follow(self, call: Call[Any], take: Callable[[str], bool]) -> Any:
        """Give each line of an event stream to `take` until it returns True; None, or the other Answer."""

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
        """The Answer."""
        return world.exchange(self.call)


@dataclass(frozen=True)
class Follow:
    """A stream of lines."""

    call: Call[Any]
    take: Callable[[str], bool]

    def on(self, world: World) -> Any:
        """None once it was followed, or the Answer that was no stream."""
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
class Emit(Generic[T]):
    """The next value of a listing."""

    value: T


def exchange(call: Call[Any]) -> Steps[Answer]:
    """Exchange, with the type of its outcome."""
    answer: Answer = yield Exchange(call)
    return answer


def resume(steps: Generator[StepT, Any, Any], outcome: Any, fault: Exception | None) -> StepT:
    """The next step, after the outcome of the last one or what it raised."""
    return steps.send(outcome) if fault is None else steps.throw(fault)


def each(values: Values[T], take: Callable[[T], None]) -> Steps[None]:
    """Give the values of a listing to `take`, within a verb."""
    outcome, fault = None, None
    try:
        while True:
            step = resume(values, outcome, fault)
            outcome, fault = None, None
            if isinstance(step, Emit):
                take(step.value)
                continue
            try:
                outcome = yield step
            except Exception as error:
                fault = error
    except StopIteration:
        return


class _Described(Generic[P]):
    def __init__(self, steps: Callable[Concatenate[Any, P], Generator[Any, Any, Any]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    def _bound(self, instance: Any, perform: str) -> Any:
        if instance is None:
            return self

        @functools.wraps(self._steps)
        def verb(*args: P.args, **kwargs: P.kwargs) -> Any:
            return getattr(instance.session, perform)(self._steps(instance, *args, **kwargs))

        return verb


class Verb(_Described[P], Generic[P, T]):
    """A verb that returns a value."""

    if TYPE_CHECKING:

        def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None: ...

    @overload
    def __get__(
        self, instance: Nouns[Any, Async] | Bound[Async], owner: Any = None
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: Nouns[Any, Sync] | Bound[Sync], owner: Any = None) -> Callable[P, T]: ...
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
    def __get__(
        self, instance: Nouns[Any, Async] | Bound[Async], owner: Any = None
    ) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(
        self, instance: Nouns[Any, Sync] | Bound[Sync], owner: Any = None
    ) -> Callable[P, Iterator[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._bound(instance, "iterate")
