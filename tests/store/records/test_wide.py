"""Rows with further columns are read by columns as they are one by one, of tables and of lines."""

from datetime import UTC, date, datetime
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.records.columns import finished, line_ends
from store.records.layout import AUTO, Layout, read_row
from store.records.record import from_table, to_table
from store.records.shapes import SHAPES
from store.records.wide import Found, read_wide, read_wide_lines, types_of

TWO = [("prompt", pa.string()), ("completion", pa.string())]
FORMATS = st.sampled_from([AUTO, AUTO, "alpaca", "messages", "prompt_completion"])
TURN = pa.struct([("content", pa.string()), ("role", pa.string())])
text = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["", " ", 'a"\\\n\x01', "b"])
said = st.sampled_from(["Add.", "4", "b\n", "ä", ""])
number = st.floats(width=32) | st.integers(-3, 3).map(float)
turn = st.fixed_dictionaries({"content": said, "role": st.sampled_from(["user", "assistant", "human", ""])})
chat = st.tuples(said, said).map(
    lambda pair: [{"content": pair[0], "role": "user"}, {"content": pair[1], "role": "assistant"}]
)
MORE: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), text),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint8(), st.integers(0, 255)),
    (pa.float64(), number),
    (pa.float32(), number),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
    (pa.list_(pa.string()), st.lists(text | st.none(), max_size=2)),
    (pa.list_(pa.float64()), st.lists(number, max_size=2)),
    (pa.struct([("a", pa.float64()), ("b", pa.string())]), st.fixed_dictionaries({"a": number, "b": text})),
    (pa.date32(), st.dates(date(1900, 1, 1))),
    (pa.timestamp("us", "UTC"), st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC))),
]
TEXTS = (
    "prompt",
    "completion",
    "instruction",
    "input",
    "output",
    "question",
    "answer",
    "context",
    "response",
)
KINDS: dict[str, list[tuple[pa.DataType, st.SearchStrategy[Any]]]] = {
    **{name: [(pa.string(), said)] * 6 + [MORE[1], MORE[7]] for name in TEXTS},
    "messages": [(pa.list_(TURN), chat | st.lists(turn, max_size=3))] * 3 + [MORE[0]],
    "id": [(pa.string(), text | st.just("x")), MORE[1], MORE[4]],
    "group": [(pa.string(), st.just("g") | text), MORE[1]],
    "quality": [(pa.float64(), number), MORE[4], MORE[2], MORE[0]],
    "system": [(pa.string(), st.just("") | said)],
    "history": [(pa.list_(pa.list_(pa.string())), st.just([]) | st.just([["a", "b"]]))],
    "metadata": [MORE[9], MORE[0]],
    **dict.fromkeys(("source", 'o"dd', "text", "chosen", "tools", "extra", "choices", "category"), MORE),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Up to six rows of a shape's columns and some others, with holes."""
    shape = SHAPES[draw(st.sampled_from(["alpaca", "prompt_completion", "messages", "question_answer"]))]
    names = draw(st.permutations(sorted(shape.needs | draw(st.sets(st.sampled_from(sorted(KINDS)))))))
    rows = draw(st.integers(1, 6))
    columns, fields = [], []
    for name in names:
        kind, values = draw(st.sampled_from(KINDS[name]))
        holes = st.none() if name not in shape.needs else st.nothing()
        found = draw(st.lists(values | holes, min_size=rows, max_size=rows))
        columns.append(pa.array(found, kind))
        fields.append(pa.field(name, kind))
    return pa.table(columns, schema=pa.schema(fields))


def given_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as a JSON decoder would give them: what is null or no number is left out."""
    rows = table.to_pylist()
    return [{name: one for name, one in row.items() if one is not None and one == one} for row in rows]


def check(found: Found, rows: list[dict[str, Any]], format: str) -> None:
    """What was read by columns is what read_row makes of the same rows."""
    taken = [row for row, good in zip(rows, found.good, strict=True) if good]
    expected = [read_row(row, Layout(format)) for row in taken]
    assert from_table(finished(found.rows)) == from_table(to_table(record for record, _ in expected))
    assert {shape for _, shape in expected} <= {found.shape}
    assert {*found.extra} == {name for record, _ in expected for name in record.extra or ()}


@settings(deadline=None, max_examples=100)
@given(tables(), FORMATS)
def test_tables(table: pa.Table, format: str) -> None:
    found = read_wide(table, None if format == AUTO else format)
    if found is not None:
        rows = given_rows(table)
        check(found, rows, format)
        assert found.originals is not None
        texts = [text for text, good in zip(found.originals.to_pylist(), found.good, strict=True) if good]
        taken = [row for row, good in zip(rows, found.good, strict=True) if good]
        assert texts == [orjson.dumps(row).decode() for row in taken]


@settings(deadline=None, max_examples=100)
@given(tables(), FORMATS, st.booleans())
def test_lines(table: pa.Table, format: str, whole: bool) -> None:
    lines = [orjson.dumps(row) for row in given_rows(table)]
    if whole:  # numbers of both kinds in one column
        lines = [line.replace(b".0,", b",").replace(b".0}", b"}") for line in lines]
    rows = [orjson.loads(line) for line in lines]
    schema = types_of(rows)
    block = b"".join(line + b"\n" for line in lines)
    only = None if format == AUTO else format
    found = schema and read_wide_lines(block, line_ends(block), schema, only)
    if found:
        check(found, rows, format)


@pytest.mark.parametrize("odd", ["-0", "-0.0", "1e400", "NaN", "1E2", "0.10", "9007199254740993", "1e16"])
def test_numbers_of_lines(odd: str) -> None:
    lines = [b'{"prompt":"a","completion":"b","n":%s}' % text for text in (b"0.5", odd.encode())]
    block = b"".join(line + b"\n" for line in lines)
    found = read_wide_lines(block, line_ends(block), pa.schema([*TWO, ("n", pa.float64())]), None)
    if found is not None:
        assert found.good[0]
        assert not found.good[1] or "." in odd
        check(found, [orjson.loads(lines[0]), orjson.loads(lines[1]) if found.good[1] else {}], AUTO)


def test_good_rows_take_the_fast_way() -> None:
    more = {"source": "web", "n": 1, "score": 0.5, "tags": ["a"], "kept": True}
    asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    for own in ({"instruction": "a", "output": "b"}, {"prompt": "a", "completion": "b"}, {"messages": asked}):
        rows = [{**own, **more, "id": n, "quality": 0.5} for n in range(3)]
        found = read_wide(pa.Table.from_pylist(rows), None)
        assert found is not None
        assert found.good.all()
        block = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        schema = types_of(rows)
        assert schema is not None
        by_lines = read_wide_lines(block, line_ends(block), schema, None)
        assert by_lines is not None
        assert by_lines.good.all()
        assert finished(by_lines.rows).equals(finished(found.rows))
