"""What every noun of the API can do: retrieve one, list all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel
from typing_extensions import Self  # pydantic depends on it; typing has it from Python 3.11 on

from evoselect_client.core.calls import NDJSON, Call, get, post, segment
from evoselect_client.core.options import Change, Optioned
from evoselect_client.core.resource import Bound, Sent
from evoselect_client.core.session import Session
from evoselect_client.core.steps import Emit, Listing, Mode, Page, Steps, Values, Verb

T = TypeVar("T")
BoundT = TypeVar("BoundT", bound=Bound[Any])
LineT = TypeVar("LineT", bound=BaseModel)
PAGE_SIZE = 100
CURSORS = ("rank", "sequence", "number", "id")  # what a value is listed by, the first that it has


class Nouns(Optioned, Generic[BoundT, Mode]):
    """Resources of one kind."""

    path: str
    model: type[Bound[Any]]

    def __init__(self, session: Session[Any]) -> None:
        self.session = session

    def _through(self, change: Change) -> Self:
        return type(self)(change(self.session))

    def _lines(self, path: str, model: type[LineT]) -> Values[LineT]:
        """A list that comes as lines of JSON, in one answer."""
        text = yield from self.session.send(Call("GET", f"{self.path}/{path}", str, accept=NDJSON))
        rows = [model.model_validate_json(line) for line in text.split("\n")[:-1]]
        yield Emit(Page(rows, has_next_page=False))

    @Verb
    def retrieve(self, id: str) -> Steps[BoundT]:
        """The resource with that id; NotFoundError when this key has none."""
        return (yield from self._get(f"{self.path}/{segment(id)}"))

    @Listing
    def list(
        self,
        *,
        after: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        created_after: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Values[BoundT]:
        """All of them, newest first, fetched page by page while you iterate.

        `after` is an id: what follows it; `.pages()` of the result gives the pages themselves. `metadata` has
        pairs that they must have: of targets, pools and jobs.
        """
        since = None if created_after is None else created_after.astimezone().isoformat()
        asked: dict[str, Any] = {"order": order, "created_after": since}
        asked |= {f"metadata[{name}]": value for name, value in (metadata or {}).items()}
        yield from pages(self.session, self.path, self._decode, page_size=page_size, after=after, **asked)

    def _decode(self, value: Any) -> BoundT:
        """The resource of a decoded answer."""
        noun = self if self.session.plain is self.session else type(self)(self.session.plain)
        found: BoundT = self.model.model_validate(value).bind(noun)  # type: ignore[assignment]
        return found

    def _get(self, path: str, **params: Any) -> Steps[BoundT]:
        return (yield from self.session.send(get(path, self._decode, **params)))

    def _post(self, path: str, body: dict[str, Any]) -> Steps[BoundT]:
        return (yield from self.session.send(post(path, self._decode, body)))

    def _delete(self, path: str, decode: Callable[[Any], T]) -> Steps[T]:
        return (yield from self.session.send(Call("DELETE", path, decode)))


def pages(
    session: Session[Any],
    path: str,
    decode: Callable[[Any], T],
    *,
    page_size: int,
    after: Any = None,
    by: tuple[str, ...] = CURSORS,
    **params: Any,
) -> Values[T]:
    """All values of a listing that pages by id, or by rank or number where its values have one."""
    while True:
        call = get(path, Sent[Any].model_validate, after=after, limit=page_size, **params)
        page = yield from session.send(call)
        if page.data:
            last = page.data[-1]
            after = next(last[name] for name in by if name in last)
        yield Emit(Page([decode(value) for value in page.data], page.has_more, after))
        if not page.has_more:
            return
