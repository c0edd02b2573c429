"""JSON bodies decoded piece by piece, so that no call holds the interpreter for long.

orjson decodes a body in one call, and no other thread runs meanwhile: 14 MB of `[]` are 12 s. Here the marks
of the text (brackets and commas outside strings) are found first, by numpy, which lets others run; a body
with too many of them is refused. Then containers are cut at their own commas, and orjson decodes the parts.
What is accepted, and what comes out, is what orjson says of the whole.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

MAX_VALUES = 500_000  # of one body: 10,000 records of 50 values each
MAX_DEPTH = 256
BLANK = b" \t\n\r"
OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT, COMMA, QUOTE, BACKSLASH = b'[{]},"\\'
CLOSES = {OPEN_LIST: CLOSE_LIST, OPEN_OBJECT: CLOSE_OBJECT}

Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_STEP = np.zeros(256, np.int64)
_STEP[[OPEN_LIST, OPEN_OBJECT]], _STEP[[CLOSE_LIST, CLOSE_OBJECT]] = 1, -1
_IS_MARK = _STEP != 0
_IS_MARK[COMMA] = True


class TooManyValues(ValueError):
    """The body has more values than one request may bring."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the work is cut."""

    block: int = 2**20
    """Bytes that are looked through at a time."""
    marks: int = 10_000
    """Of a part; decoding it takes a few milliseconds."""
    part: int = 2**20
    """Bytes of a part, where it can be cut."""


def loads(body: bytes, *, most: int = MAX_VALUES, sizes: Sizes = Sizes()) -> Any:
    """What orjson.loads returns; raises json.JSONDecodeError, or TooManyValues above `most` values."""
    places, kinds = _find_marks(body, most, sizes.block)
    if len(places) <= sizes.marks:
        return orjson.loads(body)
    return _Body(body, places, kinds, sizes).value()


class _Body:
    """A body with its marks: where they are, which they are, and how deep (an opening one counts itself)."""

    def __init__(self, text: bytes, places: Places, kinds: Bytes, sizes: Sizes) -> None:
        self._text = text
        self._places = places
        self._kinds = kinds
        self._depths: Places = np.cumsum(_STEP[kinds])
        self._sizes = sizes

    def value(self) -> Any:
        last = len(self._places) - 1
        if self._depths.max() > MAX_DEPTH:
            raise json.JSONDecodeError(f"nested deeper than {MAX_DEPTH} levels", "", 0)
        self._require_pair(0, last)
        self._require_blank(0, int(self._places[0]))
        self._require_blank(int(self._places[last]) + 1, len(self._text))
        return self._container(0, last)

    def _container(self, first: int, last: int) -> Any:
        """What stands between two marks, brackets included."""
        start, stop = int(self._places[first]), int(self._places[last]) + 1
        own = (self._kinds[first:last] == COMMA) & (self._depths[first:last] == self._depths[first])
        if last - first <= self._sizes.marks and (stop - start <= self._sizes.part or not own.any()):
            return self._decoded(self._text[start:stop], start)
        edges = [first, *(np.flatnonzero(own) + first).tolist(), last]
        found: Any = [] if self._kinds[first] == OPEN_LIST else {}
        number = 0
        while number < len(edges) - 1:
            end = self._far(edges, number)
            self._take(found, edges[number], edges[end])
            number = end
        return found

    def _far(self, edges: list[int], number: int) -> int:
        """The edge up to which members go into one part: at least one member."""
        end = number + 1
        while end + 1 < len(edges) and edges[end + 1] - edges[number] <= self._sizes.marks:
            if self._places[edges[end + 1]] - self._places[edges[number]] > self._sizes.part:
                break
            end += 1
        return end

    def _take(self, found: Any, before: int, after: int) -> None:
        """Add the members between two marks of their container."""
        start, stop = int(self._places[before]) + 1, int(self._places[after])
        ends = b"[]" if isinstance(found, list) else b"{}"
        if after - before <= self._sizes.marks:
            if not self._text[start:stop].strip(BLANK):
                raise json.JSONDecodeError("a value is missing", "", start)
            part = self._decoded(ends[:1] + self._text[start:stop] + ends[1:], start - 1)
            found.extend(part) if isinstance(found, list) else found.update(part)
            return
        self._require_pair(before + 1, after - 1)
        self._require_blank(int(self._places[after - 1]) + 1, stop)
        if isinstance(found, list):
            self._require_blank(start, int(self._places[before + 1]))
            found.append(self._container(before + 1, after - 1))
            return
        lead = self._decoded(b"{" + self._text[start : int(self._places[before + 1])] + b"0}", start - 1)
        found.update(dict.fromkeys(lead, self._container(before + 1, after - 1)))

    def _decoded(self, part: bytes, start: int) -> Any:
        try:
            return orjson.loads(part)
        except orjson.JSONDecodeError as error:
            raise json.JSONDecodeError(error.msg, "", start + error.pos) from None

    def _require_pair(self, first: int, last: int) -> None:
        """The bracket at `first` is closed by the one at `last`, and by none before."""
        closed = CLOSES.get(int(self._kinds[first])) == self._kinds[last]
        outside = int(self._depths[last])
        if not closed or outside != self._depths[first] - 1 or self._depths[first:last].min() <= outside:
            raise json.JSONDecodeError("brackets do not match", "", int(self._places[first]))

    def _require_blank(self, start: int, stop: int) -> None:
        if self._text[start:stop].strip(BLANK):
            raise json.JSONDecodeError("unexpected text", "", start)


def _find_marks(body: bytes, most: int, size: int) -> tuple[Places, Bytes]:
    """Where brackets and commas outside strings are; raises TooManyValues."""
    found: list[Places] = []
    kinds: list[Bytes] = []
    within = escaped = False  # a string, and behind a backslash, where the block begins
    values = 0
    for start in range(0, len(body), size):
        block = np.frombuffer(body, np.uint8, min(size, len(body) - start), start)
        quotes, escaped = _unescaped_quotes(block, escaped)
        places = np.flatnonzero(_IS_MARK[block])
        outside = (np.searchsorted(quotes, places) + within) % 2 == 0
        within ^= bool(len(quotes) % 2)
        places = places[outside]
        values += int((_STEP[block[places]] >= 0).sum())
        if values > most:
            raise TooManyValues
        found.append(places + start)
        kinds.append(block[places])
    return np.concatenate(found), np.concatenate(kinds)


def _unescaped_quotes(block: Bytes, escaped: bool) -> tuple[Places, bool]:
    """Where strings begin and end, and whether the first byte of the next block is escaped."""
    slashes = np.flatnonzero(block == BACKSLASH)
    begins = np.append(True, np.diff(slashes) != 1)[: len(slashes)]
    first_of_run = np.maximum.accumulate(np.where(begins, slashes, 0))
    odd = (slashes - first_of_run) % 2 == 0  # an odd number of them so far
    if escaped:
        odd ^= first_of_run == 0  # the run goes on from the block before
    escaping = slashes[odd] + 1
    quotes = np.flatnonzero(block == QUOTE)
    if escaped:
        escaping = np.append(0, escaping) if not len(slashes) or slashes[0] else escaping
    quotes = quotes[~np.isin(quotes, escaping)]
    return quotes, bool(len(escaping) and escaping[-1] == len(block))
