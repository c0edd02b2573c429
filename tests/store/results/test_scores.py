"""The number that one example has of a measure."""

from typing import Any

import pytest

from store.results.scores import score


@pytest.mark.parametrize(
    ("measure", "row", "found"),
    [
        ("accuracy", {"predicted": 2, "answer": 2}, 1.0),
        ("accuracy", {"predicted": 0, "answer": 2}, 0.0),
        ("accuracy", {"predicted": None, "answer": None}, None),
        ("answer_nll", {"answer_nll": 0}, 0.0),
        ("answer_nll", {"answer_nll": None}, None),
        ("exact_match", {}, None),
    ],
)
def test_what_does_not_apply_is_none_and_never_zero(
    measure: str, row: dict[str, Any], found: float | None
) -> None:
    assert score(measure, row) == found
