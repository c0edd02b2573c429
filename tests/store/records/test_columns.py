"""The fast reader of records and parse_record agree on every line, whatever it is."""

import sys
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.records.columns import content_keys, finished, line_ends, read_block, say_all
from store.records.faults import InvalidRecord
from store.records.record import Record, from_table, parse_record, to_json, to_table

NUMBERS = (
    b"0",
    b"1",
    b"-0",
    b"01",
    b"1.",
    b".5",
    b"1e0",
    b"1e-400",
    b"1e400",
    b"NaN",
    b'"1"',
    b"0.1",
    b"9" * 400,
)
blank = st.sampled_from(["", " ", "\u2003", "\x1c", "\0"])
text = st.text(st.characters(codec="utf-8"), max_size=12) | blank
field = st.sampled_from(["id", "prompt", "completion", "group", "quality", "metadata", "messages", "other"])
anything = (
    text
    | st.none()
    | st.integers(-9, 9)
    | st.lists(text, max_size=2)
    | st.dictionaries(text, text, max_size=1)
)
plain = st.fixed_dictionaries(
    {"prompt": text, "completion": text},
    optional={"id": text, "group": st.none() | text, "quality": st.none() | st.booleans() | st.floats(-1, 2)},
)
turn = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "other"]), "content": text | st.none()},
    optional={"other": st.none()},
)
good_turn = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool"]), "content": text})
chats = st.fixed_dictionaries(
    {"messages": st.lists(good_turn, max_size=4) | st.lists(turn | st.none(), max_size=3)},
    optional={"id": text, "prompt": st.none() | text, "completion": st.none() | text},
)
objects = plain | chats | st.dictionaries(field, anything, max_size=4)
junk = st.sampled_from(
    [
        b"{",
        b"}",
        b"{}",
        b"[]",
        b"{}{}",
        b"{\x00}",
        b"",
        b'{"prompt":"a","completion":"b"}{"prompt":"c","completion":"d"}',
        b'{"prompt":"a\xff","completion":"b"}',
        b'{"prompt":"a","completion":"b"',
        b'"completion":"b"}',
        b'{"prompt":"\\ud800","completion":"b"}',
        b'{"prompt":"a","prompt":"b","completion":"c"}',
        b'{"prompt":NaN,"completion":"b"}',
        *(b'{"prompt":"a","completion":"b","quality":%s}' % number for number in NUMBERS),
        b'{"prompt":"a\x01","completion":"b"}',
        b'{"messages":[{"role":"user","role":"assistant","content":"y"},{"role":"assistant","content":"z"}]}',
        b'{"messages":[{"role":"user","content":"\xff"},{"role":"assistant","content":"z"}]}',
        b'{"prompt":"x","messages":[{"role":"user","content":"y"}',
        b'{"role":"user","content":"z"}]}',
    ]
)
lines = st.lists(objects.map(orjson.dumps) | junk, min_size=1, max_size=6)


def slow(line: bytes) -> Record | None:
    try:
        return parse_record(orjson.loads(line))
    except (InvalidRecord, orjson.JSONDecodeError):
        return None


@settings(deadline=None, max_examples=400)
@given(lines)
def test_plain_rows_are_what_parse_record_makes_of_them(given_lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in given_lines)
    found = read_block(block, line_ends(block))
    if found is None:
        return
    table, good = found
    expected = [slow(line) for line, plain in zip(given_lines, good, strict=True) if plain]
    assert from_table(finished(table)) == expected


def test_a_good_file_takes_the_fast_way() -> None:
    records: list[dict[str, Any]] = [
        {"id": f"r{n}", "prompt": f"é {n}?", "completion": "a\nb", "quality": n / 99} for n in range(100)
    ]
    turns = [{"role": role, "content": f"{role} é"} for role in ("system", "user", "tool", "assistant")]
    records += [{"messages": turns[:n] + turns[1:]} for n in range(5)]
    records += [{"messages": [turns[1], turns[3]], "id": "chat", "group": "g"}]
    block = b"".join(orjson.dumps(record) + b"\n" for record in records)
    found = read_block(block, line_ends(block))
    assert found is not None
    assert found[1].all()
    assert finished(found[0]).equals(to_table(parse_record(record) for record in records))


@pytest.mark.parametrize(
    "glued", [b'{"prompt":"a",\n"completion":"b"}\n', b'{"prompt":"a\n","completion":"b"}\n']
)
def test_values_that_are_not_lines_are_left_to_the_slow_way(glued: bytes) -> None:
    assert read_block(glued, line_ends(glued)) is None


def test_white_space_means_the_same_to_both() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    by_arrow = pc.utf8_is_space(pa.array(characters)).to_pylist()
    assert [char for char, space in zip(characters, by_arrow, strict=True) if char.isspace() != space] == []


def test_keys_are_the_first_128_bits() -> None:
    table = to_table([parse_record({"prompt": str(n), "completion": "x"}) for n in range(9)]).slice(2, 5)
    keys = content_keys(table)
    raw = [bytes.fromhex(text)[:16] for text in table["content_hash"].to_pylist()]
    assert keys.astype("<u8").tobytes() == b"".join(raw)
    assert content_keys(table.slice(0, 0)).shape == (0, 2)
    assert np.array_equal(content_keys(table.slice(1, 2)), keys[1:3])


def written_again(record: Record) -> bytes:
    """The line, as downloads write it of a record without one."""
    fields = to_json(record)
    if record.id == record.content_hash:
        del fields["id"]
    return orjson.dumps(fields)


members = st.dictionaries(
    st.sampled_from(["id", "prompt", "completion", "group", "quality"]), text, min_size=2
)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(plain | members | chats, min_size=1, max_size=3).map(
        lambda rows: [orjson.dumps(r) for r in rows]
    )
    | lines
)
def test_lines_that_say_no_more_than_their_records_can_be_written_again(given_lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in given_lines)
    ends = line_ends(block)
    found = read_block(block, ends)
    if found is not None and found[1].all() and say_all(block, ends, found[0]):
        assert [written_again(record) for record in from_table(finished(found[0]))] == given_lines


ROW = b'{"id":"%d","prompt":"a\\n\\"\xc3\xa9\\\\%d","completion":"/","group":"g"}'
HASH = b"0" * 64


@pytest.mark.parametrize(
    ("line", "says_all"),
    [
        (ROW % (1, 1), True),
        (b'{"prompt":"a","completion":"b"}', True),
        (b'{"prompt": "a","completion":"b"}', False),
        (b'{"completion":"b","prompt":"a"}', False),
        (b'{"prompt":"\\u00e9","completion":"b"}', False),
        (b'{"prompt":"a\\/","completion":"b"}', False),
        (b'{"prompt":"a","completion":"b","quality":0.5}', False),
        (b'{"prompt":"\\",","completion":"\\"}"}', True),
        (b'{"prompt":"a","completion":"a","group":"completion"}', True),
        (b'{"completion":"a","prompt":"a"}', False),
        (b'{"prompt":"a","completion":"b","group":null}', False),
        (b'{"id":"%s","prompt":"a","completion":"b"}' % HASH, False),
        (
            orjson.dumps({"messages": [{"role": role, "content": "a"} for role in ("user", "assistant")]}),
            False,
        ),
    ],
)
def test_which_lines_say_no_more_than_their_records(line: bytes, says_all: bool) -> None:
    for block in (line + b"\n", ROW % (2, 2) + b"\n" + line + b"\n"):
        ends = line_ends(block)
        found = read_block(block, ends)
        assert found is not None
        assert found[1].all()
        alone = len(ends) == 1 or line.startswith(b'{"id":"1"')
        assert say_all(block, ends, found[0]) == (says_all and alone)
