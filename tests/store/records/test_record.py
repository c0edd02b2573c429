"""Records: what is accepted, what is refused with which code, and that Parquet gives back what went in."""

import io
import math
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.records.faults import InvalidRecord
from store.records.record import (
    MAX_TEXT_CHARS,
    Record,
    from_table,
    parse_record,
    to_json,
    to_table,
)

QUESTION = {"prompt": "2 + 2?", "completion": "4"}
TURNS = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]


def code_of(value: object) -> str:
    with pytest.raises(InvalidRecord) as caught:
        parse_record(value)
    assert caught.value.detail.endswith(".")
    return caught.value.code


def test_prompt_and_completion() -> None:
    record = parse_record(QUESTION)
    assert (record.prompt, record.messages, record.completion) == ("2 + 2?", None, "4")
    assert record.id == record.content_hash
    assert len(record.content_hash) == 64


def test_the_last_assistant_turn_becomes_the_completion() -> None:
    record = parse_record({"messages": TURNS})
    assert record.messages == ({"role": "user", "content": "2 + 2?"},)
    assert record.completion == "4"
    assert record == parse_record({"messages": TURNS[:1], "completion": "4"})


def test_completion_follows_from_choices_and_answer() -> None:
    record = parse_record({"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1})
    assert (record.completion, record.choices, record.answer) == ("4", ("3", "4"), 1)
    assert record.content_hash == parse_record(QUESTION).content_hash


def test_a_completion_beside_choices_may_explain() -> None:
    record = parse_record({"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1, "completion": "It is 4."})
    assert record.completion == "It is 4."


def test_the_hash_covers_what_training_sees_and_nothing_else() -> None:
    plain = parse_record(QUESTION)
    named = parse_record({**QUESTION, "id": "q1", "group": "sums", "metadata": {"a": [1]}})
    assert named.id == "q1"
    assert named.content_hash == plain.content_hash
    assert parse_record({"prompt": "2 + 2?4", "completion": "x"}).content_hash != plain.content_hash
    assert parse_record({"messages": TURNS}).content_hash != plain.content_hash


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (7, "not_an_object"),
        ([QUESTION], "not_an_object"),
        (None, "not_an_object"),
        ({}, "no_prompt"),
        ({"completion": "4"}, "no_prompt"),
        ({"prompt": None, "completion": "4"}, "no_prompt"),
        ({**QUESTION, "messages": TURNS}, "prompt_and_messages"),
        ({**QUESTION, "label": 1}, "unknown_field"),
        ({"prompt": 3, "completion": "4"}, "wrong_type"),
        ({"prompt": [], "completion": "4"}, "wrong_type"),
        ({"prompt": " ", "completion": "4"}, "empty_prompt"),
        ({"prompt": "2 + 2?"}, "no_completion"),
        ({"prompt": "2 + 2?", "completion": ""}, "empty_completion"),
        ({"prompt": "2 + 2?", "completion": " \n"}, "empty_completion"),
        ({"prompt": "2 + 2?", "completion": 4}, "wrong_type"),
        ({"prompt": "x" * MAX_TEXT_CHARS, "completion": "4"}, "too_large"),
        ({"messages": "hello"}, "wrong_type"),
        ({"messages": []}, "no_user_turn"),
        ({"messages": [], "completion": "4"}, "no_user_turn"),
        ({"messages": TURNS[1:]}, "no_user_turn"),
        ({"messages": TURNS[:1]}, "no_completion"),
        ({"messages": TURNS, "completion": "4"}, "two_completions"),
        ({"messages": [TURNS[0]] * 300, "completion": "4"}, "too_large"),
        ({"messages": [*TURNS[:1], {"role": "assistant", "content": ""}]}, "empty_completion"),
        ({"messages": ["hello"], "completion": "4"}, "bad_message"),
        ({"messages": [{"role": "user"}], "completion": "4"}, "bad_message"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}], "completion": "4"}, "bad_message"),
        ({"messages": [{"role": "robot", "content": "a"}], "completion": "4"}, "bad_role"),
        ({"messages": [{"role": [], "content": "a"}], "completion": "4"}, "bad_role"),
        ({"messages": [{"role": "user", "content": None}], "completion": "4"}, "wrong_type"),
        ({**QUESTION, "choices": ["3", "4"]}, "incomplete_choices"),
        ({**QUESTION, "answer": 1}, "incomplete_choices"),
        ({**QUESTION, "choices": "34", "answer": 1}, "wrong_type"),
        ({**QUESTION, "choices": [3, 4], "answer": 1}, "wrong_type"),
        ({**QUESTION, "choices": ["4"], "answer": 0}, "bad_choices"),
        ({**QUESTION, "choices": ["4", "4 "], "answer": 0}, "bad_choices"),
        ({**QUESTION, "choices": ["4", ""], "answer": 0}, "bad_choices"),
        ({**QUESTION, "choices": ["3", "4"], "answer": 2}, "bad_answer"),
        ({**QUESTION, "choices": ["3", "4"], "answer": -1}, "bad_answer"),
        ({**QUESTION, "choices": ["3", "4"], "answer": True}, "bad_answer"),
        ({**QUESTION, "choices": ["3", "4"], "answer": "B"}, "bad_answer"),
        ({**QUESTION, "choices": ["3", "4"], "answer": 0}, "contradicting_answer"),
        ({**QUESTION, "id": 7}, "wrong_type"),
        ({**QUESTION, "id": ""}, "bad_id"),
        ({**QUESTION, "id": "a\x00b"}, "bad_id"),
        ({**QUESTION, "group": "g" * 257}, "bad_group"),
        *(({**QUESTION, "quality": bad}, "bad_quality") for bad in (1.01, -1, math.nan, math.inf, 10**400)),
        *(({**QUESTION, "quality": bad}, "wrong_type") for bad in ("0.5", True, [0.5])),
        ({**QUESTION, "prompt": "\ud800"}, "bad_text"),
        ({**QUESTION, "metadata": {"a": "\ud800"}}, "bad_metadata"),
        ({**QUESTION, "metadata": [1]}, "wrong_type"),
        ({**QUESTION, "metadata": {"a": "x" * 20_000}}, "too_large"),
    ],
)
def test_refused(value: object, code: str) -> None:
    assert code_of(value) == code


def test_tables_of_earlier_releases_have_no_qualities() -> None:
    records = [parse_record({**QUESTION, "quality": 1}), parse_record(QUESTION)]
    assert [record.quality for record in from_table(to_table(records))] == [1.0, None]
    older = to_table(records).drop_columns("quality")
    assert [record.quality for record in from_table(older)] == [None, None]


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(InvalidRecord) as caught:
        parse_record({**QUESTION, "f" * 10_000: 1})
    assert len(caught.value.detail) < 300


json_value: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
maybe_record = st.dictionaries(
    st.sampled_from(["id", "prompt", "messages", "completion", "choices", "answer", "group", "metadata"]),
    json_value,
)
text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(
    lambda value: not value.isspace()
)
metadata = st.dictionaries(st.just("k"), json_value)
good_record = st.fixed_dictionaries(
    {"prompt": text, "completion": text},
    optional={"group": st.just("g"), "id": st.just("r1"), "metadata": metadata},
) | st.fixed_dictionaries({"messages": st.just(TURNS), "metadata": st.none()})


@settings(deadline=None)  # the first example pays for imports
@given(maybe_record)
def test_any_json_is_either_a_record_or_a_named_fault(value: dict[str, Any]) -> None:
    try:
        record = parse_record(value)
    except InvalidRecord:
        return
    assert isinstance(record, Record)
    assert (record.prompt is None) != (record.messages is None)


@settings(deadline=None)  # the first example pays for imports
@given(st.lists(good_record, max_size=4))
def test_parquet_and_json_give_back_what_went_in(values: list[dict[str, Any]]) -> None:
    records = [parse_record(value) for value in values]
    file = io.BytesIO()
    pq.write_table(to_table(records), file)
    assert from_table(pq.read_table(file)) == records
    assert [parse_record(to_json(record)) for record in records] == records


def test_choices_and_turns_survive_parquet() -> None:
    choices = {"choices": ["3", "4"], "answer": 1}
    records = [
        parse_record({"messages": TURNS, **choices, "metadata": {"kind": {"deep": [1, None]}}}),
        parse_record({**QUESTION, **choices}),
    ]
    assert from_table(to_table(records)) == records


def test_another_schema_is_refused() -> None:
    with pytest.raises(KeyError):
        from_table(pa.table({"id": ["a"]}))
