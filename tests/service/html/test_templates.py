"""What templates print: numbers, shares, and JSON that no text in it can end."""

import json

import pytest
from jinja2 import UndefinedError

from service.html.templates import embedded, number, percent, policy, source, templates


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (True, "yes"), (False, "no"), (0, "0"), (1234567, "1,234,567"), (0.123456, "0.1235")],
)
def test_numbers_are_printed_for_people(value: object, text: str) -> None:
    assert number(value) == text


def test_shares_are_per_cent() -> None:
    assert (percent(0.1234), percent(0.0), percent(None)) == ("12.3 %", "0.0 %", "—")


def test_no_text_ends_the_element_that_it_stands_in() -> None:
    hostile = {"a": "</script><!--", "b": "'&\u2028"}
    text = str(embedded(hostile))
    assert not set(text) & set("<>&'")
    assert json.loads(text) == hostile


def test_a_name_that_a_template_gets_wrong_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        templates().from_string("{{ nothing }}").render()
    assert templates().from_string("{{ it }}").render(it="<b>") == "&lt;b&gt;"


def test_a_policy_names_each_text_that_may_run() -> None:
    found = policy("a {}", ["run()"])
    assert source("run()") in found
    assert "unsafe-inline" not in found
