"""Blocks of lines, each read in a thread of its own while the rows of the one before it are handled."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import orjson
import pyarrow as pa

from store.records.columns import Mask, Places, read_block
from store.records.layout import AUTO, Layout
from store.records.shapes import Shape, texts_of


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, and what is becoming of them: the plain rows and which they are, or None."""

    data: bytes
    ends: Places  # of its newlines
    found: Future[tuple[pa.Table, Mask] | None] | None
    shape: Shape | None
    """Of its lines, where they are read by columns and are no records."""

    def line(self, row: int) -> bytes:
        """One of the lines, without its end."""
        return self.data[self.ends[row - 1] + 1 if row else 0 : self.ends[row]]

    def plain(self) -> tuple[pa.Table, Mask] | None:
        """The plain rows and which they are, once they are read; None where each line is to be read alone."""
        return self.found.result() if self.found else None


class Ahead:
    """Reads one block, outside of the interpreter lock."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._thread = ThreadPoolExecutor(1)

    def read(self, data: bytes, ends: Places) -> Block:
        """Read by columns what may be plain records alone, or texts of a shape; the first line tells."""
        if self._layout.columns:
            return Block(data, ends, None, None)
        only = None if self._layout.format == AUTO else self._layout.format
        shape = texts_of(decoded(data[: ends[0]]), only)
        found = None
        if only is None or shape is not None:
            found = self._thread.submit(read_block, data, ends, shape.texts if shape else None)
        return Block(data, ends, found, shape)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()


def decoded(line: bytes) -> object:
    """The line's value, or the error that says why it has none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return error
