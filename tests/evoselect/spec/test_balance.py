"""How a budget may be shared among groups, and what contradicts itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from evoselect.spec.balance import Balance


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": "column", "min": {"a": 1}}, "name group, or a column as extra.NAME"),
        ({"by": "extra.", "min": {"a": 1}}, "name group, or a column as extra.NAME"),
        ({"by": "group"}, "send shares, or min, max or both"),
        ({"by": "group", "shares": {"a": 1.0}, "max": {"a": 1}}, "send shares, or min, max or both"),
        ({"by": "group", "min": {"a": 2}, "max": {"a": 1}}, "min of 'a' is 2 and max is 1"),
        ({"by": "group", "shares": {"a": 0.0}}, "shares"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Balance.model_validate(given)


def test_a_column_and_either_way_are_taken() -> None:
    assert Balance(by="extra.source", shares={"a": 1.0, "b": 3.0}).min == {}
    assert Balance(by="group", max={"a": 3}).shares is None
