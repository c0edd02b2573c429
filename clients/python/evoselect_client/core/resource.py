"""The base of what the service returns. Fields that a newer service adds are kept, not refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr
from typing_extensions import Self  # pydantic depends on it; typing has it from Python 3.11 on

from evoselect_client.core.options import Change, Optioned
from evoselect_client.core.steps import Listing, Mode, Same, Verb

if TYPE_CHECKING:
    from evoselect_client.core.session import Session

TERMINAL = frozenset(("completed", "failed", "cancelled", "expired"))
"""The statuses of a job that has ended."""
T = TypeVar("T")
BoundT = TypeVar("BoundT", bound="Bound[Any]")


class Resource(BaseModel):
    """Base: immutable, tolerant of new fields."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        protected_namespaces=(),
        ignored_types=(Verb, Same, Listing),
        defer_build=True,  # a model is built when it is first used, so that importing is short
    )


class Bound(Resource, Optioned, Generic[Mode]):
    """A resource that can call the service again, in the manner of the client it came from."""

    id: str
    object: str
    _noun: Any = PrivateAttr()  # the Nouns that this came from

    def bind(self: BoundT, noun: Any) -> BoundT:
        """Remember where this came from."""
        self._noun = noun
        return self

    @property
    def session(self) -> Session[Mode]:
        """The service that it came from."""
        session: Session[Mode] = self._noun.session
        return session

    def _through(self, change: Change) -> Self:
        return self.model_copy().bind(type(self._noun)(change(self._noun.session)))


class Sent(Resource, Generic[T]):
    """One page of a listing as the service sends it."""

    data: list[T]
    has_more: bool
