"""Rows with further columns, column by column: the fast twin of store.records.layout.read_row.

Which shape a row has depends on which of its columns have a value. The rows of the most frequent shape that
is read by columns are taken together, their further columns as the JSON of `extra`; every other row is left
to read_row, which alone decides what is wrong with it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from store.records.chats import TURNS
from store.records.columns import PLAIN, Mask, Places, from_texts, plain_rows, read_table
from store.records.faults import InvalidRecord
from store.records.members import joined, member, without_nan
from store.records.record import MAX_EXTRA_BYTES
from store.records.shapes import SHAPES, Shape, shape_of

LOOKED_AT = 16  # lines that tell the types of a block's columns
NAMED = frozenset().union(*(shape.columns for shape in SHAPES.values()))
"""Columns that some shape says something about."""
OWN = frozenset(("id", "group", "quality"))  # fields of a record that stand beside the texts
KINDS: dict[type, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a block that were read by columns."""

    rows: pa.Table
    """To be `finished`."""
    good: Mask
    """Which of the block's rows they are."""
    shape: str | None = None
    """None where they are records already."""
    extra: list[str] = field(default_factory=list)
    """Columns that travel with at least one of them."""
    originals: pa.Array | None = None
    """The JSON of every row of the block, of a table."""
    say_all: bool = False
    """Whether every row's JSON is what orjson makes of its record; see columns.say_all."""


def read_wide(table: pa.Table, only: str | None) -> Found | None:
    """The rows of a foreign table, or None where each is to be read alone.

    ``only`` is the name of the only shape that may be found, None for any. Raises what foreign.UNREADABLE
    names where Python has no value for what Arrow holds.
    """
    table = without_nan(table)
    shape, fit = _shape(table, only)
    if shape is None:
        return None
    written = {name: member(name, table[name]) for name in table.column_names}
    found = _found(table, shape, fit, written)
    originals = joined([texts for texts, _ in written.values()], table.num_rows)
    return replace(found, originals=originals)


def read_wide_lines(block: bytes, ends: Places, schema: pa.Schema, only: str | None) -> Found | None:
    """The same for lines whose columns are of these types; see columns.read_block for how lines are told."""
    table = read_table(block, ends, schema)
    if table is None:
        return None
    clean = without_nan(table)
    shape, fit = _shape(clean, only)
    if shape is None:
        return None
    for name in table.column_names:
        if pa.types.is_floating(table[name].type):
            fit &= ~_doubtful(table[name])
    written = {name: member(name, clean[name]) for name in _further(clean, shape)}
    return _found(clean, shape, fit, written)


def _doubtful(column: pa.ChunkedArray) -> Mask:
    """Numbers that may have been written without a fraction, and so are whole ones to JSON."""
    return _flags(pc.fill_null(pc.or_(pc.is_nan(column), pc.equal(pc.floor(column), column)), False))


def _found(table: pa.Table, shape: Shape, fit: Mask, written: dict[str, tuple[pa.Array, Mask]]) -> Found:
    fields, fit = _fields(table, shape, fit)
    names = _further(table, shape)
    extra = joined([written[name][0] for name in names], table.num_rows)
    for name in names:
        fit &= written[name][1]
    fit &= _flags(pc.fill_null(pc.less_equal(pc.binary_length(extra), MAX_EXTRA_BYTES), True))
    rows, good = plain_rows(fields.append_column("extra", extra), fit)
    there = [name for name in names if (_valid(table[name]) & good).any()]
    return Found(rows, good, shape.name, there)


def _further(table: pa.Table, shape: Shape) -> list[str]:
    """Columns that no field takes."""
    return [name for name in table.column_names if name not in shape.columns | OWN | {"metadata"}]


def types_of(rows: Sequence[Any]) -> pa.Schema | None:
    """The columns of the first rows of a block; None where they have no type of their own."""
    types: dict[str, pa.DataType] = {}
    for row in rows:
        if type(row) is not dict:
            return None
        for name, value in row.items():
            kind = types.get(name, pa.null()) if value is None else _type_of(name, value)
            before = types.get(name, pa.null())
            if {before, kind} == {pa.int64(), pa.float64()}:
                kind = pa.float64()
            elif kind is None or before not in (kind, pa.null()):
                return None
            types[name] = kind
    return pa.schema([(name, pa.string() if kind == pa.null() else kind) for name, kind in types.items()])


def _type_of(name: str, value: object) -> pa.DataType | None:
    if name == "messages":
        return TURNS
    if type(value) is list and all(type(one) is str for one in value):
        return pa.list_(pa.string())
    return KINDS.get(type(value))


def _shape(table: pa.Table, only: str | None) -> tuple[Shape | None, Mask]:
    """The most frequent shape that is read by columns, and which rows have it."""
    names = [name for name in table.column_names if name in NAMED]
    bits = np.zeros(table.num_rows, dtype=np.int64)  # fewer than 63 columns have a meaning
    for place, name in enumerate(names):
        bits |= _valid(table[name]).astype(np.int64) << place
    codes, which = np.unique(bits, return_inverse=True)
    shapes = [
        _shape_with([name for place, name in enumerate(names) if code >> place & 1], only)
        for code in codes.tolist()
    ]
    rows = Counter[str]()
    for shape, count in zip(shapes, np.bincount(which).tolist(), strict=True):
        if shape is not None and _is_readable(shape, table.schema):
            rows[shape.name] += count
    if not rows:
        return None, bits > 0
    ((name, _),) = rows.most_common(1)
    fit: Mask = np.array([shape is not None and shape.name == name for shape in shapes])[which]
    return SHAPES[name], fit


def _shape_with(there: list[str], only: str | None) -> Shape | None:
    """The shape of a row with values in these columns."""
    if only is not None:
        return SHAPES[only] if SHAPES[only].needs <= {*there} else None
    try:
        return shape_of(dict.fromkeys(there, True))
    except InvalidRecord:
        return None


def _texts(shape: Shape) -> frozenset[str]:
    """The columns that prompt and answer are read from."""
    if shape.texts is None:
        return shape.needs
    return frozenset((*shape.texts.parts, shape.texts.answer))


def _is_readable(shape: Shape, schema: pa.Schema) -> bool:
    """Whether the columns with the texts of the shape have the types of texts."""
    if shape.name == "messages":
        kind = schema.field("messages").type
        return pa.types.is_list(kind) and _is_turn(kind.value_type)
    if shape.texts is None and shape.name != "prompt_completion":
        return False
    return all(schema.field(name).type == pa.string() for name in _texts(shape) & {*schema.names})


def _is_turn(kind: pa.DataType) -> bool:
    names = sorted(field.name for field in kind) if pa.types.is_struct(kind) else []
    return names == ["content", "role"] and all(field.type == pa.string() for field in kind)


def _fields(table: pa.Table, shape: Shape, fit: Mask) -> tuple[pa.Table, Mask]:
    """The PLAIN columns and messages, and the rows of which nothing else is a field of the record."""
    fit = fit.copy()
    others = (shape.columns | {"metadata"}) - _texts(shape) - OWN
    if shape.name == "messages":
        others |= {"prompt"}  # beside nothing but fields of a record it is one too
    for name in others & {*table.column_names}:
        fit &= ~_says(name, table[name])
    plain = _asked(table, shape)
    for name in OWN & {*table.column_names}:
        column = _own(name, table[name])
        if column is None:
            fit &= ~_valid(table[name])
        else:
            plain = plain.set_column(plain.column_names.index(name), PLAIN.field(name), column)
    return plain, fit


def _asked(table: pa.Table, shape: Shape) -> pa.Table:
    """Prompt and answer, or messages, in place among the PLAIN columns."""
    if shape.texts is not None:
        for name in frozenset(shape.texts.optional) - {*table.column_names}:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        return from_texts(table, shape.texts)
    columns = {field.name: pa.nulls(table.num_rows, field.type) for field in PLAIN}
    columns |= {name: table[name] for name in _texts(shape) if name != "messages"}
    if shape.name == "messages":
        columns["messages"] = _turns(table["messages"])
    return pa.table(columns)


def _own(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """An id, a group or a quality as a record has it; None where it is of another kind."""
    number = pa.types.is_integer(column.type)
    if name == "quality":
        return column.cast(pa.float64(), safe=False) if number or pa.types.is_floating(column.type) else None
    if column.type == pa.string():
        return column
    return column.cast(pa.string()) if number and name == "id" else None


def _says(name: str, column: pa.ChunkedArray) -> Mask:
    """Rows in which the column says something: an empty `system` or `history` says nothing."""
    valid = _valid(column)
    if name == "system" and column.type == pa.string():
        return valid & _flags(pc.fill_null(pc.not_equal(column, ""), False))
    if name == "history" and pa.types.is_list(column.type):
        return valid & _flags(pc.fill_null(pc.greater(pc.list_value_length(column), 0), False))
    return valid


def _turns(column: pa.ChunkedArray) -> pa.Array:
    """Lists of turns as TURNS, whichever of role and content stands first."""
    lists = column.combine_chunks()
    parts = dict(zip((field.name for field in lists.type.value_type), lists.values.flatten(), strict=True))
    turns = pa.StructArray.from_arrays([parts["role"], parts["content"]], fields=list(TURNS.value_type))
    offsets = pa.array(np.array(lists.offsets))
    return pa.ListArray.from_arrays(offsets, turns, type=TURNS, mask=pc.is_null(lists))


def _valid(column: pa.ChunkedArray) -> Mask:
    return _flags(pc.is_valid(column))


def _flags(column: pa.ChunkedArray | pa.Array) -> Mask:
    return np.asarray(column, dtype=bool)
