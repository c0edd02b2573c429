"""Fields that many requests share, and what contradicts itself in them."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.http.fields import LabelChange, ShapedRows, exactly_one


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"format": "alpaca", "columns": {"prompt": "q"}}, "send one of the two"),
        ({"format": "sharegpt", "template": "{{ a }}"}, "rows of turns"),
        ({"template": "{{ a }}", "columns": {"prompt": "q"}}, "columns names one for prompt"),
        ({"columns": {"nothing": "q"}}, "nothing"),
    ],
)
def test_two_ways_at_once_are_refused(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ShapedRows.model_validate(body)


def test_what_is_left_out_of_a_change_is_not_what_is_emptied() -> None:
    assert LabelChange(name="a").model_dump() == {"name": "a"}
    assert LabelChange(metadata={}).model_dump() == {"metadata": {}}
    with pytest.raises(ValidationError, match="send name, metadata or both"):
        LabelChange()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"file_id": None, "records": None}, "exactly one of file_id and records, got neither"),
        ({"file_id": "f", "records": []}, "got file_id and records"),
        ({"a": None, "b": None, "c": None}, "exactly one of a, b, c, got none"),
    ],
)
def test_exactly_one_says_what_it_got(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        exactly_one(**fields)
