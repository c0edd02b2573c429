"""Charts as columns: the picture and the table below it are drawn from the same numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from service.html.templates import number
from store.kit.json import Json

Numbers = Sequence[float | int | None]
Interval = Sequence[float]
NAMES = {"selected": "selected", "pool": "pool", "random": "random draw", "top_relevance": "top relevance"}


@dataclass(frozen=True)
class Series:
    """One column of a chart; None where it has no value."""

    label: str
    colour: str
    """A custom property of base.css without its dashes."""
    values: Numbers
    style: Literal["line", "steps", "dots", "points", "listed"] = "line"
    """`listed` is in the table and under the pointer only."""
    intervals: list[Interval | None] | None = None
    """Lower and upper end around each value; drawn as whiskers, printed beside the value."""


@dataclass(frozen=True)
class Chart:
    """Columns over common x values, ascending."""

    title: str
    reading: str
    x_label: str
    y_label: str
    x: Numbers
    series: list[Series]
    log: bool = False
    whole: bool = False
    """x counts something: only whole numbers stand on its axis."""

    def heads(self) -> list[str]:
        """Of the columns of `rows`."""
        sure = (one.label + (" (95 % interval)" if one.intervals is not None else "") for one in self.series)
        return [self.x_label, *sure]

    def rows(self) -> list[list[str]]:
        """The table below the picture, as it is printed: x, then each series."""
        columns = [[number(x) for x in self.x], *(_cells(one) for one in self.series)]
        return [list(row) for row in zip(*columns, strict=True)]

    def plain(self) -> Json:
        """What the page's script draws."""
        return asdict(self)


def _cells(one: Series) -> list[str]:
    if one.intervals is None:
        return [number(value) for value in one.values]
    pairs = zip(one.values, one.intervals, strict=True)
    return [with_interval(value, interval) for value, interval in pairs]


def with_interval(value: float | None, interval: Interval | None) -> str:
    """A measured number and how sure it is."""
    if value is None or interval is None:
        return number(value)
    return f"{number(value)} ({number(interval[0])} to {number(interval[1])})"
