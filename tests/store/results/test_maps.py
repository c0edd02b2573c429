"""The points of a selection's map, by kind."""

import pyarrow as pa
import pytest

from store.results import maps


def test_points_are_by_kind_in_the_order_of_the_file_and_a_kind_may_have_none() -> None:
    drawn = {
        "id": ["a", "b", "c"],
        "kind": ["pool", "selected", "pool"],
        "x": [0.0, 1.0, 2.0],
        "y": [0.0] * 3,
    }
    found = maps.points(pa.table(drawn))
    assert found["pool"] == {"id": ["a", "c"], "x": [0.0, 2.0], "y": [0.0, 0.0]}
    assert found["target"] == {"id": [], "x": [], "y": []}


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="id"):
        maps.table({})
