"""What a listing gives: its values one by one, or page by page; nothing is fetched before it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar

from evoselect_client.core.steps import Page

T = TypeVar("T")


class Listed(Iterator[T], Generic[T]):
    """The values of a listing, in order; `pages()` gives what is left of them page by page."""

    def __init__(self, pages: Iterator[Page[T]]) -> None:
        self._pages = pages
        self._left: Iterator[T] = iter(())

    def __next__(self) -> T:
        while True:
            for value in self._left:
                return value
            self._left = iter(next(self._pages).data)

    def pages(self) -> Iterator[Page[T]]:
        """Pages with `data`, `has_next_page` and `after`, fetched while you iterate."""
        return self._pages


class AsyncListed(AsyncIterator[T], Generic[T]):
    """As Listed, for `async for`."""

    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._left: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        while True:
            for value in self._left:
                return value
            self._left = iter((await anext(self._pages)).data)

    def pages(self) -> AsyncIterator[Page[T]]:
        """Pages with `data`, `has_next_page` and `after`, fetched while you iterate."""
        return self._pages
