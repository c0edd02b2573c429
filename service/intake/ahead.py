"""Blocks of lines, each read in a thread of its own while the rows of the one before it are handled."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import orjson

from store.records.columns import PLAIN, Places, read_block, say_all
from store.records.layout import AUTO, Layout
from store.records.shapes import Shape, texts_of
from store.records.wide import LOOKED_AT, Found, read_wide_lines, types_of

RECORDS = frozenset((*PLAIN.names, "messages"))


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, and what is becoming of them."""

    data: bytes
    ends: Places  # of its newlines
    reading: Future[Found | None] | None = None

    def line(self, row: int) -> bytes:
        """One of the lines, without its end."""
        return self.data[self.ends[row - 1] + 1 if row else 0 : self.ends[row]]

    def found(self) -> Found | None:
        """The rows that were read by columns, once they are; None where each line is to be read alone."""
        return self.reading.result() if self.reading else None


class Ahead:
    """Reads one block, outside of the interpreter lock."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._thread = ThreadPoolExecutor(1)

    def read(self, data: bytes, ends: Places) -> Block:
        """Read by columns what may be records alone, texts of a shape, or these with further columns.

        The first lines tell.
        """
        if self._layout.each_alone:
            return Block(data, ends)
        only = None if self._layout.format == AUTO else self._layout.format
        stop = ends[min(len(ends), LOOKED_AT) - 1]
        rows = [decoded(line) for line in data[:stop].split(b"\n") if line]
        names = {name for row in rows if isinstance(row, dict) for name in row}
        shape = texts_of(rows[0], only) if rows else None
        if (
            shape is not None
            and shape.texts is not None
            and names <= {*shape.texts.parts, shape.texts.answer}
        ):
            return Block(data, ends, self._thread.submit(_read, data, ends, shape))
        if only is None and names <= RECORDS:
            return Block(data, ends, self._thread.submit(_read, data, ends, None))
        schema = types_of(rows)
        if schema is None:
            return Block(data, ends)
        return Block(data, ends, self._thread.submit(read_wide_lines, data, ends, schema, only))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()


def decoded(line: bytes) -> object:
    """The line's value, or the error that says why it has none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return error


def _read(data: bytes, ends: Places, shape: Shape | None) -> Found | None:
    """Records, or rows of the texts of a shape."""
    found = read_block(data, ends, shape.texts if shape else None)
    if found is None:
        return None
    rows, good = found
    if shape is not None:
        return Found(rows, good, shape.name)
    return Found(rows, good, say_all=bool(good.all()) and say_all(data, ends, rows))
