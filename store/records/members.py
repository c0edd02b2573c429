"""Columns as members of JSON objects, row by row: what orjson makes of the same rows, without an object each.

Texts, whole numbers and truth values are written by Arrow. Of texts with characters that JSON escapes, and of
all other types, each value is written by orjson.
"""

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from store.records.columns import Mask
from store.records.record import is_finite

ESCAPED = r'["\\\x00-\x1f]'  # what a JSON text cannot hold as it is


def without_nan(table: pa.Table) -> pa.Table:
    """The table with nulls in place of what is no number, as pandas marks what is missing."""
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(place)
            table = table.set_column(place, field, pc.if_else(pc.is_nan(column), None, column))
    return table


def member(name: str, column: pa.ChunkedArray) -> tuple[pa.Array, Mask]:
    """`,"name":value` of each row, null where the value is null; and which values JSON has a number for.

    Raises what foreign.UNREADABLE names where Python has no value for what Arrow holds.
    """
    values = column.combine_chunks()
    finite = np.ones(len(values), dtype=bool)
    if pa.types.is_string(values.type):
        texts = pc.binary_join_element_wise('"', _escaped(values), '"', "")
    elif pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        texts = values.cast(pa.string())
    else:
        found = values.to_pylist(maps_as_pydicts="lossy")
        finite = np.fromiter(map(is_finite, found), bool, len(found))
        texts = pa.array([None if one is None else orjson.dumps(one).decode() for one in found], pa.string())
    return pc.binary_join_element_wise(f",{orjson.dumps(name).decode()}:", texts, ""), finite


def joined(members: list[pa.Array], rows: int) -> pa.Array:
    """One object of each row's members, null where there are none."""
    if not members:
        return pa.nulls(rows, pa.string())
    inner = pc.binary_join_element_wise(*members, "", null_handling="replace", null_replacement="")
    inner = pc.if_else(pc.equal(inner, ""), None, pc.utf8_replace_slice(inner, 0, 1, "{"))
    return pc.binary_join_element_wise(inner, "}", "")


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    """The texts as they stand between quotes."""
    odd = pc.fill_null(pc.match_substring_regex(texts, ESCAPED), False)
    if not pc.any(odd).as_py():
        return texts
    written = [orjson.dumps(text)[1:-1].decode() for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(texts, odd, pa.array(written, pa.string()))
