"""An answer of the service as it came, and what the client made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from evoselect_client.core.steps import Async, Sync

if TYPE_CHECKING:
    from evoselect_client.core.nouns import Nouns

T = TypeVar("T", covariant=True)
RawT = TypeVar("RawT")
AsyncRawT = TypeVar("AsyncRawT")


@dataclass(frozen=True)
class Response(Generic[T]):
    """The last answer that a verb got; `parsed` is what the verb returns without with_raw_response."""

    status: int
    headers: Mapping[str, str]
    """A mapping that ignores the case of names."""
    content: bytes
    parsed: T

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.content):,} bytes, request {self.request_id})"

    @property
    def request_id(self) -> str | None:
        """Names the request in the service's log."""
        return self.headers.get("x-request-id")

    @property
    def text(self) -> str:
        """The body as text in UTF-8."""
        return self.content.decode()

    def json(self) -> Any:
        """The decoded body; raises ValueError where it is no JSON."""
        return json.loads(self.content)


class WithRaw(Generic[RawT, AsyncRawT]):
    """The same noun, whose verbs return a Response: status, headers, content, and the value `parsed`."""

    @overload
    def __get__(self, instance: Nouns[Any, Sync], owner: Any = None) -> RawT: ...
    @overload
    def __get__(self, instance: Nouns[Any, Async], owner: Any = None) -> AsyncRawT: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else type(instance)(instance.session.raw)
