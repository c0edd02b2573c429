"""What every noun of the API can do: retrieve one, list all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from evoselect_client.core.calls import Call, get, post, segment
from evoselect_client.core.resource import Bound, Page
from evoselect_client.core.session import Session
from evoselect_client.core.steps import Emit, Listing, Mode, Steps, Values, Verb

T = TypeVar("T")
BoundT = TypeVar("BoundT", bound=Bound[Any])
PAGE_SIZE = 100


class Nouns(Generic[BoundT, Mode]):
    """Resources of one kind."""

    path: str
    model: type[Bound[Any]]

    def __init__(self, session: Session[Any]) -> None:
        self.session = session

    @Verb
    def retrieve(self, id: str) -> Steps[BoundT]:
        """The resource with that id; NotFoundError when this key has none."""
        return (yield from self._get(f"{self.path}/{segment(id)}"))

    @Listing
    def list(self, *, page_size: int = PAGE_SIZE) -> Values[BoundT]:
        """All of them, newest first, fetched page by page while you iterate."""
        yield from pages(self.session, self.path, self.decode, page_size)

    def decode(self, value: Any) -> BoundT:
        """The resource of a decoded answer."""
        found: BoundT = self.model.model_validate(value).bind(self)  # type: ignore[assignment]
        return found

    def _get(self, path: str, **params: Any) -> Steps[BoundT]:
        return (yield from self.session.send(get(path, self.decode, **params)))

    def _post(self, path: str, body: dict[str, Any]) -> Steps[BoundT]:
        return (yield from self.session.send(post(path, self.decode, body)))

    def _delete(self, path: str, decode: Callable[[Any], T]) -> Steps[T]:
        return (yield from self.session.send(Call("DELETE", path, decode)))


def pages(
    session: Session[Any],
    path: str,
    decode: Callable[[Any], T],
    page_size: int,
    *,
    after: Any = None,
    **params: Any,
) -> Values[T]:
    """All values of a listing that pages by id, or by rank or number where its values have one."""
    while True:
        call = get(path, Page[Any].model_validate, after=after, limit=page_size, **params)
        page = yield from session.send(call)
        for value in page.data:
            yield Emit(decode(value))
        if not page.has_more:
            return
        last = page.data[-1]
        after = next(last[name] for name in ("rank", "sequence", "number", "id") if name in last)
