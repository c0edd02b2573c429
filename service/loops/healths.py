"""The health of a loop's rounds as one table, for its page and its report. Pure."""

from collections.abc import Sequence

from service.html.templates import number, percent
from store.kit.json import Json


def table(rounds: Sequence[tuple[int, Json | None]]) -> list[list[str]]:
    """Two lines a round that has selected: its candidates, and what was selected of them."""
    return [
        [f"{at}, {side}", *_cells(health[side])]
        for at, health in rounds
        if health is not None
        for side in ("candidates", "selected")
    ]


def _cells(side: Json) -> list[str]:
    names = ("rows", "diversity", "vendi", "coverage", "distance", "length_ratio")
    return [*(number(side[name]) for name in names), percent(side["opening_share"])]
