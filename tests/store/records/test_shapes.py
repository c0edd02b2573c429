"""Rows of every shape become records, or are refused by a message that names the way out."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from service.http.fields import Format
from store.records.faults import InvalidRecord
from store.records.layout import AUTO, Layout, Recognised, read_row
from store.records.record import MAX_EXTRA_BYTES, from_table, parse_record, to_json, to_table
from store.records.shapes import SHAPES
from store.records.tool_use import is_learnt
from tests.store.records.rows_on_disk import ASSISTANT, CALL, ROWS, USER, OnDisk, table

CHAT = {"messages": [USER, ASSISTANT]}


@pytest.mark.parametrize("kept", ROWS, ids=lambda kept: kept.name)
def test_a_row_as_it_lies_on_a_disk(kept: OnDisk) -> None:
    if kept.prompt is None:
        with pytest.raises(InvalidRecord) as refused:
            read_row(kept.row, Layout())
        assert refused.value.code == kept.found
        return
    record, shape = read_row(kept.row, Layout())
    assert shape == kept.found
    assert (list(record.messages) if record.messages else record.prompt) == kept.prompt
    assert record.completion == "4"
    assert (record.extra, record.tool_use) == (kept.extra, kept.used)
    assert parse_record(to_json(record)) == record
    assert from_table(to_table([record])) == [record]


def test_nothing_of_a_row_that_no_field_takes_is_lost() -> None:
    row = {"instruction": "a", "output": "b", "group": 5, "metadata": "m", "none": None, "quality": 0.5}
    record, _ = read_row(row, Layout())
    assert record.quality == 0.5
    assert record.extra == {"group": 5, "metadata": "m"}  # not what a group and metadata are
    assert read_row({"prompt": "a", "completion": "b", "x": 1, "extra": {"y": 2}}, Layout())[0].extra == {
        "x": 1,
        "y": 2,
    }


def test_a_column_with_the_name_of_a_field_that_others_fill_is_kept_too() -> None:
    asked, _ = read_row({"question": "2 + 2?", "answer": "4", "prompt": "Sums"}, Layout())
    assert (asked.prompt, asked.extra) == ("2 + 2?\n\n", {"prompt": "Sums"})
    mapped = Layout(columns={"prompt": "ask", "completion": "say", "id": "key"})
    told, _ = read_row({"ask": "a", "say": "b", "key": 7, "prompt": "c", "id": "d"}, mapped)
    assert (told.prompt, told.id, told.extra) == ("a", "7", {"prompt": "c", "id": "d"})


def test_tools_may_be_json_text_and_are_part_of_the_content() -> None:
    plain, _ = read_row({"messages": [USER, ASSISTANT]}, Layout())
    told, _ = read_row({"messages": [USER, ASSISTANT], "tools": json.dumps([CALL])}, Layout())
    assert told.tool_use == {"tools": [CALL]}
    assert told.content_hash != plain.content_hash
    nothings: list[Any] = [None, [], "", "[]"]
    for nothing in nothings:
        assert read_row({"messages": [USER, ASSISTANT], "tools": nothing}, Layout())[0] == plain


def test_every_shape_can_be_asked_for_by_name() -> None:
    assert set(get_args(Format)) == {AUTO, *SHAPES}
    row = {"instruction": "a", "output": "b", "question": "c", "answer": "d"}
    assert read_row(row, Layout("question_answer"))[0].completion == "d"
    record, _ = read_row(row, Layout("alpaca"))
    assert (record.completion, record.extra) == ("b", {"question": "c", "answer": "d"})


@pytest.mark.parametrize(
    ("columns", "row", "prompt", "extra"),
    [
        ({"prompt": "q", "completion": "a"}, {"q": "x", "a": "4", "z": 1}, "x", {"z": 1}),
        ({"messages": "chat"}, {"chat": [USER, ASSISTANT], "id": 3}, [USER], None),
        ({"prompt": "q", "completion": "a"}, {"q": [USER], "a": "4", "prompt": "p"}, [USER], {"prompt": "p"}),
    ],
)
def test_columns_are_mapped(columns: dict[str, str], row: dict[str, Any], prompt: Any, extra: Any) -> None:
    record, shape = read_row(row, Layout(columns=columns))
    assert shape == "columns"
    assert (list(record.messages) if record.messages else record.prompt) == prompt
    assert record.completion == "4"
    assert record.extra == extra


@pytest.mark.parametrize(
    ("layout", "row", "code", "said"),
    [
        (
            Layout("alpaca"),
            {"prompt": "a", "completion": "b"},
            "wrong_shape",
            "format is alpaca, and the row has no instruction",
        ),
        (
            Layout(columns={"prompt": "q"}),
            {"p": "a"},
            "no_such_column",
            "There is no column 'q'; there are p.",
        ),
        (
            Layout(),
            {"instruction": "a", "output": "b", "query": "c", "response": "d"},
            "ambiguous_shape",
            "alpaca and",
        ),
        (Layout(), {"a": 1}, "unknown_shape", "name the right ones by columns=prompt:"),
        (Layout(), {"prompt": "a", "label": "b"}, "no_completion", "columns=completion:"),
        (Layout(), {"completion": "a", "label": "b"}, "no_prompt", "columns=prompt:"),
        (Layout(), {"instruction": 5, "output": "b"}, "wrong_type", "instruction must be text, got a number"),
        (Layout(), {"instruction": "a", "output": " "}, "empty_completion", ""),
        (Layout(), {"instruction": "", "output": "b"}, "empty_prompt", ""),
        (
            Layout(),
            {"instruction": "a", "output": "b", "history": ["c"]},
            "bad_history",
            "send pairs of texts",
        ),
        (Layout(), {"conversations": "a"}, "wrong_type", "conversations must be a list of turns"),
        (Layout(), {"conversations": [{"from": "nobody", "value": "a"}]}, "bad_role", "'nobody'"),
        (Layout(), {"conversations": []}, "no_user_turn", ""),
        (
            Layout(),
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "not_only_text",
            "'image'",
        ),
        (
            Layout(),
            {"prompt": "a", "completion": "b", "big": "x" * MAX_EXTRA_BYTES},
            "too_large",
            "extra takes",
        ),
        (Layout(), {"prompt": "a", "completion": "b", "more": float("nan")}, "bad_extra", "NaN"),
        (Layout(), ["a"], "not_an_object", "a list"),
        (
            Layout(),
            {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}]},
            "not_only_text",
            "ends with a call of a tool",
        ),
        (
            Layout(),
            {"messages": [USER, {**ASSISTANT, "weight": 2}]},
            "bad_weight",
            "has the weight 2; send 1",
        ),
        (Layout(), {"messages": [USER, {**ASSISTANT, "weight": True}]}, "bad_weight", "the weight True"),
        (Layout(), {"messages": [{**USER, "weight": "0"}, ASSISTANT]}, "bad_weight", "messages[0] has"),
        (Layout(), {"messages": [USER, {**ASSISTANT, "weight": 0}]}, "nothing_learnt", "leave the row out"),
        (Layout(), {"messages": [USER, ASSISTANT, USER]}, "no_completion", "a turn that nobody answers"),
        (
            Layout(),
            {"messages": [USER, ASSISTANT], "tool_use": {"turns": {"1": {"name": "x"}}}},
            "bad_tool_use",
            "must hold weight alone",
        ),
        (
            Layout(),
            {"messages": [USER, ASSISTANT], "tool_use": {"turns": {"1": {"weight": 1}}}},
            "bad_weight",
            "leave it out or send 0",
        ),
        (Layout(), {"messages": [USER, ASSISTANT], "tools": "{"}, "bad_tool_use", "tools is no JSON list"),
        (Layout(), {"messages": [USER, ASSISTANT], "tools": [7]}, "bad_tool_use", "tools[0] has no function"),
        (Layout(), {"messages": [USER, ASSISTANT], "tools": {}}, "bad_tool_use", "tools must be a list"),
        (Layout(), {"prompt": "a", "completion": "b", "tool_use": {"tools": []}}, "bad_tool_use", "messages"),
        (
            Layout(),
            {"messages": [USER, ASSISTANT], "tool_use": {"turns": {"7": {}}}},
            "bad_tool_use",
            "0 to 1",
        ),
        (
            Layout(),
            {"messages": [USER, ASSISTANT], "tool_use": {"turns": {"0": {"x": 1}}}},
            "bad_tool_use",
            "alone",
        ),
        (Layout(), {"messages": [USER, ASSISTANT], "tool_use": {"turns": [1]}}, "bad_tool_use", "an object"),
    ],
)
def test_what_cannot_be_read_is_named(layout: Layout, row: Any, code: str, said: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        read_row(row, layout)
    assert refused.value.code == code
    assert said in refused.value.detail


def test_what_rows_were_is_counted() -> None:
    found = Recognised()
    for kept in ROWS:
        if kept.prompt is not None:
            record, shape = read_row(kept.row, Layout())
            found.add(shape, record, kept.row)
    told: dict[str, Any] = dict(found.as_json())
    assert sum(told["shapes"].values()) == sum(kept.prompt is not None for kept in ROWS)
    assert told["shapes"]["alpaca"] == 3
    assert told["extra"] == sorted(
        {"source", "tags", "subject", "n", "prompt", "prompt_id", "rejected", "score", "category", "type"}
    )
    assert told["example"] is not None
    assert told["example"]["given"] == '{"instruction":"Add.","input":"2 and 2","output":"4"}'
    assert told["example"]["record"] == '{"prompt":"Add.\\n\\n2 and 2\\n\\n","completion":"4"}'


def test_the_documentation_shows_what_is_tested() -> None:
    assert table() in Path("docs/data.md").read_text()


def test_weights_of_turns_stay_where_they_say_something() -> None:
    chat = [USER, {**ASSISTANT, "weight": 0}, {**USER, "weight": 0}, {**ASSISTANT, "weight": 1}]
    record, _ = read_row({"messages": chat}, Layout())
    assert record.tool_use == {"turns": {"1": {"weight": 0}}}
    assert [is_learnt(record.tool_use, number) for number in (1, 3)] == [False, True]
    plain, _ = read_row({"messages": [USER, ASSISTANT, USER, {**ASSISTANT, "weight": 1.0}]}, Layout())
    assert plain.tool_use is None
    assert plain.content_hash != record.content_hash
    last, _ = read_row({"messages": [USER, ASSISTANT, USER, {**ASSISTANT, "weight": 0}]}, Layout())
    assert last.tool_use == {"turns": {"3": {"weight": 0}}}
    for one in (record, last):
        assert from_table(to_table([one])) == [one]
        assert parse_record(to_json(one)) == one
