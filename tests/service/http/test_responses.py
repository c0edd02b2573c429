"""Answers are made of rows: columns by their names, the rest as it is said."""

from typing import Literal

import pytest
from pydantic import ValidationError

from service.http.responses import ResponseModel


class Thing(ResponseModel):
    id: str
    object: Literal["thing"]
    size: int
    note: str | None


class Row:
    id = "thg_1"
    size = 3
    secret = "never shown"


def test_columns_become_the_fields_of_the_same_names() -> None:
    shown = Thing.of_row(Row(), note="n")
    assert shown.model_dump() == {"id": "thg_1", "object": "thing", "size": 3, "note": "n"}
    assert Thing.of_row(Row(), note=None, size=4).size == 4  # what is said comes before the column


def test_a_field_that_is_neither_column_nor_said_is_a_fault_of_ours() -> None:
    with pytest.raises(AttributeError, match="note"):
        Thing.of_row(Row())
    with pytest.raises(ValidationError, match="size"):
        Thing.of_row(Row(), note=None, size="many")
