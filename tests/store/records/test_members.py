"""Members of JSON objects by columns: what orjson writes of the same rows one by one."""

import orjson
import pyarrow as pa
import pytest

from store.records.members import joined, member, without_nan


@pytest.mark.parametrize(
    "values",
    [
        ["plain", 'with "quotes"', "back\\slash", "line\nend", "\x00", "ä", "", None],
        [1, -(2**63), 2**63 - 1, None],
        [True, False, None],
        [0.1, 1e300, None],
        [["a"], [], None],
        [{"a": 1}, None],
    ],
)
def test_a_member_is_written_as_orjson_writes_it(values: list[object]) -> None:
    texts, finite = member('na"me', pa.chunked_array([pa.array(values)]))
    slow = [None if one is None else f',"na\\"me":{orjson.dumps(one).decode()}' for one in values]
    assert texts.to_pylist() == slow
    assert finite.all()


def test_numbers_that_json_has_not_are_told() -> None:
    _, finite = member("x", pa.chunked_array([pa.array([1.0, float("inf"), None])]))
    assert finite.tolist() == [True, False, True]


def test_nan_is_what_is_missing() -> None:
    table = pa.table({"x": [1.0, float("nan")], "name": ["a", "b"]})
    assert without_nan(table).to_pylist() == [{"x": 1.0, "name": "a"}, {"x": None, "name": "b"}]


def test_members_make_one_object_a_row_and_rows_without_any_make_none() -> None:
    columns = [pa.array([',"a":1', None, None]), pa.array([',"b":2', ',"b":3', None])]
    assert joined(columns, 3).to_pylist() == ['{"a":1,"b":2}', '{"b":3}', None]
    assert joined([], 2).to_pylist() == [None, None]
