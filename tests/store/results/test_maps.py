"""The map of a selection as a table, and its points by kind."""

from typing import Any

import pyarrow as pa
import pytest

from store.results import maps


def columns(kinds: list[str]) -> dict[str, Any]:
    rows = len(kinds)
    return {
        "id": [f"r{at}" for at in range(rows)],
        "kind": kinds,
        "selected": [kind == "selected" for kind in kinds],
        "rank": [None] * rows,
        "score": [None] * rows,
        "x": [float(at) for at in range(rows)],
        "y": [0.0] * rows,
        "neighbors": [{"ids": [0], "distances": [0.0]}] * rows,
        "text": ["t"] * rows,
    }


def test_points_are_by_kind_in_the_order_of_the_file() -> None:
    found = maps.points(maps.table(columns(["pool", "selected", "pool"])))
    assert found["pool"] == {"id": ["r0", "r2"], "x": [0.0, 2.0], "y": [0.0, 0.0]}
    assert found["target"] == {"id": [], "x": [], "y": []}


def test_a_column_that_is_missing_or_odd_is_refused() -> None:
    whole = columns(["pool"])
    with pytest.raises(KeyError, match="text"):
        maps.table({name: column for name, column in whole.items() if name != "text"})
    with pytest.raises(pa.ArrowInvalid):
        maps.table({**whole, "x": ["east"]})
