"""Users' expressions and schemas: what fits, what is refused and where, and that none of it can hang."""

import re
import time
from typing import Any

import pytest
from pydantic import ValidationError

from evoselect.spec.verifier import RegexVerifier, SchemaVerifier
from store.errors import Invalid
from store.loops.exact import LONGEST, check_of, expression, schema

POINT = {
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/number"}, "on": {"type": "string", "format": "date"}},
    "required": ["x"],
    "additionalProperties": False,
    "$defs": {"number": {"type": "number", "minimum": 0}},
}


def test_an_expression_is_to_match_the_whole_answer() -> None:
    fits = expression(r"-?\d+( (apples|pears))?", "/p")
    assert [fits(text) for text in ("12", "-3 pears", "12 plums", "no 12", "12\n", "")] == [True] * 2 + [
        False
    ] * 4
    assert expression("(?i)ja|nein|\u00e4h", "/p")("\u00c4H")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a(b", "missing ): a(b (character 1)"),
        (r"x(a)\1", r"invalid escape sequence: \1 (character 5)"),
        ("ab(?=c)", "(?= (character 3)"),
        ("a**", "** (character 2)"),
        ("a{5000}", "{5000} (character 2)"),
        ("((a{30}){30}){30}", "{30} (character 4)"),
        (
            "(?i)" + "|".join(f"[{chr(97 + at)}-z]{{{900 - at}}}" for at in range(26)) + "|\\pL{999}",
            "too large",
        ),
    ],
)
def test_an_expression_that_is_none_is_named_with_its_place(pattern: str, said: str) -> None:
    with pytest.raises(Invalid, match=re.escape(said)) as caught:
        expression(pattern, "/verifier/pattern")
    assert (caught.value.code, caught.value.pointer) == ("invalid_pattern", "/verifier/pattern")


def test_an_answer_is_to_be_json_as_the_schema_wants_it() -> None:
    fits = schema(POINT, "/s")
    assert fits('{"x": 1, "on": "2026-11-29"}')
    wrong = (
        '{"x": -1}',
        '{"x": "1"}',
        '{"x": 1, "y": 2}',
        "{}",
        '{"x": 1',
        "x",
        "",
        '{"x": NaN}',
        "[" * 5_000,
    )
    assert not any(map(fits, wrong))
    assert not fits('{"x": 1, "on": "tomorrow"}')
    assert not fits('{"x": 1' + " " * LONGEST + "}")


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"not": value}
    return value


def doubling(levels: int) -> dict[str, Any]:
    """Each part refers to the next twice: 2 to the power of `levels` parts once written out."""
    parts = {str(at): {"allOf": [{"$ref": f"#/$defs/{at + 1}"}] * 2} for at in range(levels)}
    return {"$defs": {**parts, str(levels): {}}, "$ref": "#/$defs/0"}


@pytest.mark.parametrize(
    ("given", "said", "place"),
    [
        ({"type": "text"}, "text", "/s/type"),
        ({"properties": {"a/b": {"minimum": "1"}}}, "not of type", "/s/properties/a~1b/minimum"),
        ({"$ref": "#"}, "refers to itself", "/s/$ref"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "refers to itself", "/s/$defs/a/not/$ref"),
        ({"$ref": "#/$defs/no"}, "names nothing", "/s/$ref"),
        ({"$ref": "https://example.com/schema"}, "leads away", "/s/$ref"),
        ({"$ref": "file:///etc/passwd"}, "leads away", "/s/$ref"),
        ({"items": {"unevaluatedProperties": False}}, "no bound", "/s/items/unevaluatedProperties"),
        (nested(70), "deeper than 64", "/s" + "/not" * 65),
        (nested(5_000), "deeper than 64", "/s" + "/not" * 65),
        (doubling(20), "parts, more than 5000", "/s"),
        ({"pattern": "a(b"}, 'not a "regex"', "/s/pattern"),
        ({"pattern": "(?=a)b"}, 'not a "regex"', "/s/pattern"),
        ({"$schema": "https://example.com/none"}, "Unknown meta-schema", "/s"),
    ],
)
def test_a_schema_that_is_none_or_has_no_bound_is_refused_at_its_place(
    given: dict[str, Any], said: str, place: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(said)) as caught:
        schema(given, "/s")
    assert caught.value.code == "invalid_schema"
    assert caught.value.pointer == place


def test_what_makes_others_hang_costs_little() -> None:
    begun = time.monotonic()
    text = "a" * 50_000 + "!"
    assert not expression("(a|a)*b|(a*)*c|(.*a){20}x", "/p")(text)
    assert not schema({"type": "string", "pattern": "^(a+)+$"}, "/s")(f'"{text}"')
    many = "[" + ",".join(f'{{"a": {at}}}' for at in range(7_000)) + "]"
    assert schema({"uniqueItems": True, "items": {"type": "object"}}, "/s")(many)
    fits = schema(doubling(7), "/s")
    assert all(fits("[1]") for _ in range(100))
    assert time.monotonic() - begun < 3.0


def test_settings_are_bounded_before_they_are_compiled() -> None:
    check_of(SchemaVerifier.model_validate({"kind": "json_schema", "schema": POINT}), "/v")
    check_of(RegexVerifier(kind="regex", pattern="a"), "/v")
    with pytest.raises(ValidationError, match="more than 20000"):
        SchemaVerifier.model_validate({"kind": "json_schema", "schema": {"enum": ["x" * 30_000]}})
    with pytest.raises(ValidationError, match="the character 0"):
        SchemaVerifier.model_validate({"kind": "json_schema", "schema": {"const": "\0"}})
    with pytest.raises(ValidationError, match="at most 2000"):
        RegexVerifier(kind="regex", pattern="a" * 3_000)
