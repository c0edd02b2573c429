"""What the address of a page of records asks for, and the addresses that lead on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query

from evoselect.spec.fields import MAX_WHOLE
from store.kit.json import Json

ROWS = 20  # of a page


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as it was typed, and where the page begins."""

    search: str = ""
    column: str = ""
    value: str = ""
    least: str = ""
    colour: str = ""
    """The column by whose values rows are coloured."""
    after: int = 0
    floor: float | None = None
    """The least score, where `least` is a number."""
    fault: str = ""
    """What to write in place of something that cannot be read."""

    @property
    def text(self) -> str | None:
        """What records must hold."""
        return self.search or None

    @property
    def extra(self) -> dict[str, str]:
        """What they must have."""
        return {self.column: self.value} if self.column else {}

    @property
    def filters(self) -> bool:
        """Whether anything but the place is asked for."""
        return bool(self.search or self.column or self.least)

    def address(self, kept: Sequence[tuple[str, str]] = (), after: int = 0) -> str:
        """The query that asks for the same behind `after`."""
        own = [(name, getattr(self, name)) for name in ("search", "column", "value", "least", "colour")]
        pairs = [*kept, *((name, value) for name, value in own if value)]
        return urlencode([*pairs, ("after", str(after))] if after else pairs)

    def only(self, column: str, value: str, kept: Sequence[tuple[str, str]] = ()) -> str:
        """The query that asks for the rows with this value as well, from the beginning."""
        return replace(self, column=column, value=value).address(kept)


def _filter(
    *,
    search: Annotated[str, Query(max_length=200)] = "",
    column: Annotated[str, Query(max_length=256)] = "",
    value: Annotated[str, Query(max_length=1024)] = "",
    least: Annotated[str, Query(max_length=40)] = "",
    colour: Annotated[str, Query(max_length=256)] = "",
    after: Annotated[int, Query(ge=0, le=MAX_WHOLE)] = 0,
) -> Filter:
    floor, fault = _number(least.strip())
    return Filter(search, column.strip(), value, least.strip(), colour.strip(), after, floor, fault)


FilterQuery = Annotated[Filter, Depends(_filter)]


def _number(text: str) -> tuple[float | None, str]:
    try:
        return (float(text.replace(",", ".")) if text else None), ""
    except ValueError:
        return None, f"{text} is no number: write one such as 0.25, or leave it empty."


def browsed(
    asked: Filter,
    rows: Sequence[Mapping[str, object]],
    following: int | None,
    total: int,
    *,
    kept: Sequence[tuple[str, str]] = (),
    part: bool = False,
) -> Json:
    """What the templates of records print around the rows; with ``part`` no filter gives all of ``total``."""
    seen = following if following is not None else total
    if asked.filters or part:
        told = f"{len(rows):,} found in {asked.after + 1:,} to {seen:,} of {total:,}" if total else "0 of 0"
    else:
        told = (
            f"{asked.after + 1:,} to {asked.after + len(rows):,} of {total:,}" if rows else f"0 of {total:,}"
        )
    return {
        "rows": rows,
        "told": told,
        "nothing": "Nothing is like that here." if asked.filters else "There is none.",
        "first": asked.address(kept),
        "all": asked.address(kept),
        "more": asked.address(kept, following) if following is not None else "",
        "onward": "Next" if rows or not asked.filters else "Look further",
    }
