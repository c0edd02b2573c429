"""What messages say of a value that is no record."""

import pytest

from store.records.faults import InvalidRecord, kind_of, shown


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        ({}, "an object"),
        ([], "a list"),
        ("", "text"),
        (True, "a truth value"),
        (0.5, "a number"),
    ],
)
def test_values_are_named_by_their_kind_in_json(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_long_value_is_cut() -> None:
    assert shown("a" * 58) == repr("a" * 58)
    assert shown("a" * 59) == "'" + "a" * 56 + "..."


def test_the_error_says_its_detail() -> None:
    error = InvalidRecord("no_prompt", "send a prompt")
    assert (error.code, str(error)) == ("no_prompt", "send a prompt")
