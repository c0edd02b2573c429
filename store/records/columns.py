"""Records column by column: the fast twin of store.records.record for runs of NDJSON lines and for Parquet.

Rows that are plainly good are checked and hashed without a Python object each. Everything else is left to
parse_record, which alone decides what is wrong with a record: a doubt here costs time, never a wrong answer.
"""

import binascii
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from store.records.chats import TURNS, opened
from store.records.record import MAX_ID_CHARS, MAX_TEXT_CHARS, SCHEMA
from store.records.shapes import GAP, Texts

Mask = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
NEWLINE = ord("\n")
BETWEEN = b'","'  # two texts of a JSON list; no text holds it, for its quotes have backslashes
DIGEST = 32  # bytes of a content hash; twice as many as hexadecimal text
PLAIN = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "prompt", "completion", "group")),
        pa.field("quality", pa.float64()),
    ]
)
"""What plain rows consist of, beside messages."""
_COLUMNS = pa.schema([*PLAIN, pa.field("messages", TURNS)])
_SEPARATOR = pa.scalar(b"\xff", pa.binary())  # between opening and completion, as in store.records.record


def line_ends(block: bytes) -> Places:
    """Where the newlines of a block are."""
    return np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == NEWLINE)


def line_texts(block: bytes, ends: Places) -> pa.StringArray:
    """The lines of a block that `read_block` has read, without their ends."""
    offsets = np.concatenate([[0], ends + 1]).astype(np.int32)
    whole = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block))
    return pc.utf8_rtrim(whole, "\n")


def read_block(block: bytes, ends: Places, texts: Texts | None = None) -> tuple[pa.Table, Mask] | None:
    """The plain rows of whole lines, to be `finished`, and which of the lines they are.

    `ends` is line_ends(block). None where the lines have to be read one by one. Arrow's reader takes values,
    not lines, so that lines are told apart as follows: each starts with { and ends with }, so a newline
    between two of them cannot be inside an object or a list (a comma would have to stand there) nor in a text
    (JSON forbids it); and there are as many values as lines, so that each line is one value. With `texts`
    the lines are rows of such a shape and not records.
    """
    table = read_table(block, ends, _COLUMNS if texts is None else _columns_of(texts))
    if table is None:
        return None
    return plain_rows(table if texts is None else from_texts(table, texts))


def say_all(block: bytes, ends: Places, rows: pa.Table) -> bool:
    """Whether each line is, byte for byte, what orjson makes of its record: nobody needs to keep it.

    `rows` are those of all lines, of `read_block`. Names and texts are compared as one list: in a line that
    is an object with these names, only a colon can stand between name and text. Where the id of a record is
    its content hash, nothing tells whether that was sent: so no id may be as long.
    """
    names = [name for name in SCHEMA.names if name in PLAIN.names and rows[name].null_count < rows.num_rows]
    if "quality" in names or any(rows[name].null_count for name in names):
        return False
    first = {name: rows[name][0].as_py() for name in names}
    if orjson.dumps(first) != block[: ends[0]]:
        return False
    if pc.any(pc.equal(pc.binary_length(rows["id"]), 2 * DIGEST)).as_py():
        return False
    each = 2 * len(names)
    told = [""] * (each * rows.num_rows)
    for place, name in enumerate(names):
        told[2 * place :: each] = [name] * rows.num_rows
        told[2 * place + 1 :: each] = rows[name].to_pylist()
    inner = block[1:-2].replace(b'"}\n{"', BETWEEN).replace(b'":"', BETWEEN)
    return orjson.dumps(told)[1:-1] == inner


def read_table(block: bytes, ends: Places, schema: pa.Schema) -> pa.Table | None:
    """One row for each line, where all have no other columns than these; else None."""
    if not _all_braced(block, ends):
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(block),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        table.validate(full=True)  # UTF-8
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == len(ends) else None


def _columns_of(texts: Texts) -> pa.Schema:
    return pa.schema([pa.field(name, pa.string()) for name in (*texts.parts, texts.answer)])


def from_texts(table: pa.Table, texts: Texts) -> pa.Table:
    """The PLAIN columns of rows of texts, as the shape's own `convert` makes them."""
    filled = [pc.fill_null(table[name], "") for name in texts.parts]
    parts = [
        pc.if_else(pc.equal(part, ""), "", pc.binary_join_element_wise(part, GAP, "")) for part in filled
    ]
    prompts = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")
    for name in set(texts.parts) - set(texts.optional):
        prompts = pc.if_else(pc.is_null(table[name]), None, prompts)
    nothing = {field.name: pa.nulls(table.num_rows, field.type) for field in PLAIN}
    return pa.table({**nothing, "prompt": prompts, "completion": table[texts.answer]})


def plain_rows(table: pa.Table, fit: Mask | None = None) -> tuple[pa.Table, Mask]:
    """The plainly good rows of a table of the PLAIN columns, to be `finished`, and which they are.

    Only those that are `fit` count. Columns beside them stay.
    """
    table = opened(table)
    size = pc.add(pc.binary_length(table["opening"]), pc.binary_length(table["completion"]))
    asked = pc.or_kleene(_is_text(table["prompt"]), pc.is_valid(table["messages"]))
    good = pc.and_(pc.and_(asked, pc.less_equal(size, MAX_TEXT_CHARS)), _is_text(table["completion"]))
    for name in ("id", "group"):
        if table[name].null_count < table.num_rows:
            good = pc.and_(good, pc.or_(pc.is_null(table[name]), pc.fill_null(_is_name(table[name]), False)))
    if table["quality"].null_count < table.num_rows:
        within = pc.and_(pc.greater_equal(table["quality"], 0.0), pc.less_equal(table["quality"], 1.0))
        good = pc.and_(good, pc.or_(pc.is_null(table["quality"]), pc.fill_null(within, False)))
    plain: Mask = pc.fill_null(good, False).combine_chunks().to_numpy(zero_copy_only=False)
    plain = plain if fit is None else plain & fit
    return table if plain.all() else table.filter(pa.array(plain)), plain


def finished(table: pa.Table) -> pa.Table:
    """Plain rows, which may have `extra`, with their content hash, as a table with SCHEMA."""
    there = [name for name in (*PLAIN.names, "messages", "extra") if name in table.column_names]
    columns = {name: table[name].combine_chunks() for name in there}
    hashes = _content_hashes(table["opening"].combine_chunks(), columns["completion"])
    columns |= {"content_hash": hashes, "id": pc.coalesce(columns["id"], hashes)}
    rows = table.num_rows
    return pa.table(
        [columns.get(field.name, None) or pa.nulls(rows, field.type) for field in SCHEMA], schema=SCHEMA
    )


def _all_braced(block: bytes, ends: Places) -> bool:
    codes = np.frombuffer(block, dtype=np.uint8)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return bool((codes[starts] == ord("{")).all() and (codes[ends - 1] == ord("}")).all())


def _is_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.greater(pc.binary_length(column), 0), pc.invert(pc.utf8_is_space(column)))


def _is_name(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names of ASCII only: what else is printable depends on the edition of Unicode."""
    length = pc.binary_length(column)
    sized = pc.and_(pc.greater(length, 0), pc.less_equal(length, MAX_ID_CHARS))
    return pc.and_(sized, pc.and_(pc.string_is_ascii(column), pc.ascii_is_printable(column)))


def _content_hashes(openings: pa.Array, completions: pa.Array) -> pa.Array:
    """SHA-256 of each row as hexadecimal text."""
    joined = pc.binary_join_element_wise(openings, completions.cast(pa.binary()), _SEPARATOR)
    raw = binascii.hexlify(b"".join([sha256(content).digest() for content in joined.to_pylist()]))
    offsets = np.arange(0, len(raw) + 1, 2 * DIGEST, dtype=np.int32)
    return pa.StringArray.from_buffers(len(joined), pa.py_buffer(offsets), pa.py_buffer(raw))


def content_keys(table: pa.Table) -> Keys:
    """(rows, 2) the first 128 bits of each content hash: equal only where the contents are."""
    column = table["content_hash"].combine_chunks()
    start, stop = (2 * DIGEST * place for place in (column.offset, column.offset + len(column)))
    if not len(column):
        return np.empty((0, 2), dtype=np.uint64)
    raw = binascii.unhexlify(memoryview(column.buffers()[2])[start:stop])
    return np.frombuffer(raw, dtype="<u8").reshape(-1, DIGEST // 8)[:, :2]
