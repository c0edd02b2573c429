"""What the address of a page of records asks for, and the addresses that lead on from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query

from evoselect.spec.fields import MAX_WHOLE
from service.http.parameters import EXTRA, MAX_EXTRA, Extra
from store.kit.json import Json

ROWS = 20  # of a page


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as it was typed, and where the page begins."""

    search: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    """Columns with the value that records must have there; all hold at once."""
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
        return dict(self.columns)

    @property
    def filters(self) -> bool:
        """Whether anything but the place is asked for."""
        return bool(self.search or self.columns or self.least)

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """The columns as a query names them."""
        return [(EXTRA + name, value) for name, value in self.columns]

    def address(self, kept: Sequence[tuple[str, str]] = (), after: int = 0) -> str:
        """The query that asks for the same behind `after`."""
        own = [("search", self.search), ("least", self.least), ("colour", self.colour)]
        told = [(name, value) for name, value in own if value]
        pairs = [*kept, *told, *self.conditions]
        return urlencode([*pairs, ("after", str(after))] if after else pairs)

    def only(self, column: str, value: str, kept: Sequence[tuple[str, str]] = ()) -> str:
        """The query that asks for the rows with this value as well, from the beginning."""
        return replace(self, columns=_joined(self.columns, column, value)).address(kept)

    def elsewhere(self, kept: Sequence[tuple[str, str]]) -> str:
        """The query that asks the same of other records, whose scores are others."""
        return replace(self, least="").address(kept)

    @property
    def on_the_map(self) -> str:
        """What the address of a report ends with, so that its map shows the same columns."""
        return f"#{urlencode(self.conditions)}" if self.columns else ""

    def chips(self, scored: str, kept: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str, str]]:
        """(what, value, the query without it) of each condition."""
        found = [("text", self.search, replace(self, search="").address(kept))] if self.search else []
        for name, value in self.columns:
            left = tuple(pair for pair in self.columns if pair[0] != name)
            found.append((name, value, replace(self, columns=left).address(kept)))
        if self.floor is not None and scored:
            found.append((f"{scored} from", self.least, replace(self, least="").address(kept)))
        return found


def _joined(columns: tuple[tuple[str, str], ...], name: str, value: str) -> tuple[tuple[str, str], ...]:
    """The columns with this one at its place, or at the end."""
    return tuple({**dict(columns), name: value}.items())


def _filter(
    *,
    extra: Extra,
    search: Annotated[str, Query(max_length=200)] = "",
    column: Annotated[str, Query(max_length=256)] = "",
    value: Annotated[str, Query(max_length=1024)] = "",
    least: Annotated[str, Query(max_length=40)] = "",
    colour: Annotated[str, Query(max_length=256)] = "",
    after: Annotated[int, Query(ge=0, le=MAX_WHOLE)] = 0,
) -> Filter:
    """What the address says; `column` and `value` are those that the form adds to the others."""
    floor, fault = _number(least.strip())
    named, columns = column.strip(), tuple(extra.items())
    if named and named not in extra and len(columns) == MAX_EXTRA:
        fault = f"{MAX_EXTRA} columns are the most: take one away first."
    elif named:
        columns = _joined(columns, named, value)
    return Filter(search, columns, least.strip(), colour.strip(), after, floor, fault)


FilterQuery = Annotated[Filter, Depends(_filter)]


def _number(text: str) -> tuple[float | None, str]:
    try:
        number = float(text.replace(",", ".")) if text else None
    except ValueError:
        number = math.nan
    if number is None or math.isfinite(number):
        return number, ""
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
