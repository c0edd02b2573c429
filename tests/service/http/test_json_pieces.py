"""The decoder that works in pieces is orjson, whatever the text."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.http.json_pieces import Sizes, TooManyValues, loads

texts = st.text('ab"\\[]{},: \n\u00e4', max_size=6)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)
odd = st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"\\", b" ", b":", b"1", b'"a":', b""])
sizes = st.builds(Sizes, block=st.integers(1, 20), marks=st.integers(1, 5), part=st.integers(1, 40))
changes = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 2), odd), max_size=3)


def outcome(decode: Any, text: bytes) -> Any:
    try:
        return decode(text)
    except json.JSONDecodeError:
        return "refused"


@settings(deadline=None, max_examples=400)
@given(documents, st.booleans(), changes, sizes)
def test_every_text_is_what_orjson_says_of_it(
    document: Any, indented: bool, edits: list[tuple[int, int, bytes]], sizes: Sizes
) -> None:
    text = json.dumps(document, indent=1 if indented else None, ensure_ascii=not indented).encode()
    for place, gone, new in edits:
        text = text[:place] + new + text[place + gone :]
    assert outcome(lambda given: loads(given, sizes=sizes), text) == outcome(orjson.loads, text)


def test_a_body_in_parts_is_whole_again() -> None:
    rows = [{"prompt": f'"{number}",[', "completion": ["\\", {"n": number}]} for number in range(30_000)]
    body = {"records": rows, "on_invalid": "skip", "deep": {"deeper": rows[:20_000]}}
    assert loads(json.dumps(body).encode()) == body


def test_values_are_counted_where_they_are_values() -> None:
    text = json.dumps(["[,{" * 1000, [1, 2, {}]]).encode()
    assert loads(text, most=6) == orjson.loads(text)
    with pytest.raises(TooManyValues):
        loads(text, most=5)


def test_a_fault_is_found_where_it_is() -> None:
    text = b"[" + b"[1],\n" * 20_000 + b"[x]]"
    with pytest.raises(json.JSONDecodeError) as found:
        loads(text)
    assert found.value.pos == text.index(b"x")
