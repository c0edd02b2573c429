"""Records out of what language models write: prose, fences, cut-off ends, refusals."""

import json
import time
from typing import Any

import pytest

from store.records.record import Record, parse_record
from workers.generators.completions import judge, objects

GOOD = {"prompt": "2 + 2?", "completion": "4"}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, [GOOD]),
        (f"{TEXT}\n{TEXT}", [GOOD, GOOD]),
        (f"Sure! Here you are:\n```json\n[{TEXT},\n{TEXT}]\n```\nAnything else?", [GOOD, GOOD]),
        (f'{TEXT}\n{{"prompt": "3 + 3?", "comple', [GOOD]),
        ('{"prompt": "2 + 2?", "completion": "4",}', [GOOD]),
        ('{"prompt": "a {brace} and a \\" quote"}', [{"prompt": 'a {brace} and a " quote'}]),
        ('{"prompt": "two\nlines", "completion": "x"}', [{"prompt": "two\nlines", "completion": "x"}]),
        (f'{{broken}} {TEXT}', [GOOD]),
        ("", []),
        ("no JSON at all", []),
        ("[1, 2, 3]", []),
    ],
)  # fmt: skip
def test_objects_are_found(text: str, expected: list[Any]) -> None:
    assert list(objects(text)) == expected


def test_a_hostile_answer_costs_little() -> None:
    begun = time.monotonic()
    assert list(objects("{" * 2_000_000)) == []
    assert list(objects('{"a":' * 500_000)) == []
    assert time.monotonic() - begun < 3.0


def seeds(**more: Any) -> list[Record]:
    return [parse_record({"prompt": "1 + 1?", "completion": "2", **more})]


CHOICE = {"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1}


@pytest.mark.parametrize(
    ("value", "like", "expected"),
    [
        ({"prompt": "p", "completion": "I'm sorry, but I can't."}, seeds(), "refusal"),
        ({"error": "As an AI language model I do not do that"}, seeds(), "refusal"),
        ({"prompt": "p"}, seeds(), "invalid_record"),
        ({"prompt": "p", "completion": 4}, seeds(), "invalid_record"),
        (GOOD, [parse_record(CHOICE)], "other_form"),
        ({**CHOICE, "answer": 7}, [parse_record(CHOICE)], "invalid_record"),
        ({"messages": [{"role": "user", "content": "hi"}], "completion": "ho"}, seeds(), "other_form"),
    ],
)
def test_what_is_no_record_is_named(value: dict[str, Any], like: list[Record], expected: str) -> None:
    assert judge(value, like) == expected


def test_a_good_record_passes_and_foreign_fields_are_left_out() -> None:
    assert judge({**GOOD, "explanation": "because", "id": None}, seeds()) == parse_record(GOOD)
    assert judge(CHOICE, [parse_record(CHOICE)]) == parse_record(CHOICE)
