"""Rows of a foreign table as a JSON decoder would give them."""

import pyarrow as pa

from service.intake.parquet_child import INDEX, read_as
from store.records.faults import InvalidRecord

# What Arrow holds and Python cannot: times out of range, zones that nobody knows, text that is not UTF-8.
UNREADABLE = (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError)


def readable(table: pa.Table) -> pa.Table:
    """What a record can be made of: no index of pandas, and times to the microsecond, as Python has them."""
    kept = [name for name in table.column_names if not INDEX.fullmatch(name)]
    schema = pa.schema([(name, read_as(table.schema.field(name).type, name)) for name in kept])
    return table.select(kept).cast(schema, safe=False)


def is_valid(table: pa.Table) -> bool:
    """Whether all of it is what its schema says, texts included."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def as_values(table: pa.Table) -> list[dict[str, object] | InvalidRecord]:
    """Rows as a JSON decoder would give them, or why a row cannot be read.

    A column that is null in a row, or no number (as pandas marks what is missing), is a field left out.
    """
    try:
        rows = table.to_pylist(maps_as_pydicts="lossy")
    except UNREADABLE:
        return [_one_row(table.slice(row, 1)) for row in range(table.num_rows)]
    return [_given(row) for row in rows]


def _one_row(row: pa.Table) -> dict[str, object] | InvalidRecord:
    found = {}
    for name in row.column_names:
        try:
            found[name] = row[name][0].as_py(maps_as_pydicts="lossy")
        except UNREADABLE as error:
            code = f"bad_{name}" if name in ("id", "group", "metadata") else "bad_text"
            return InvalidRecord(code, f"{name} cannot be read: {error!s:.200}.")
    return _given(found)


def _given(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None and value == value}
