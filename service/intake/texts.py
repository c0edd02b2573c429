"""Texts that are no JSON Lines: tables with a line of names (CSV, TSV), and one JSON list of records."""

import codecs
import csv
import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import orjson

from service.http.problems import Problem
from service.intake.unreadable import NOT_UTF8
from service.intake.writer import BOM, BatchWriter
from store.records.faults import InvalidRecord

MAX_COLUMNS = 1_000
DECODER = json.JSONDecoder()  # tells where an element ends; the writer reads it
SPACE = re.compile(r"[ \t\r\n]*")
ROWS = 1_000  # given to the writer at a time
NUMBERS = ("answer", "quality")  # fields of a record whose cells are read as JSON, as are lists and objects


def is_list(head: bytes) -> bool:
    """Whether a text that begins so is one JSON list."""
    return head.removeprefix(BOM).lstrip()[:1] == b"["


def delimiter_of(head: bytes) -> str | None:
    """What separates the names in the first line of a table; None where this is no table of texts."""
    text = head.removeprefix(BOM)
    if text.lstrip()[:1] in (b"{", b"[", b"") or b"\0" in text:
        return None
    line = text.split(b"\n", 1)[0]
    return next((mark.decode() for mark in (b"\t", b",", b";") if mark in line), None)


def feed_list(writer: BatchWriter, pieces: Iterator[bytes], max_element: int) -> None:
    """The records of one JSON list, one after another; raises Problem where it is no list.

    `max_element` is the longest record in characters.
    """
    try:
        found = _elements(_texts(pieces), max_element)
        while part := list(islice(found, ROWS)):
            writer.take_lines(part)
    except (json.JSONDecodeError, RecursionError) as error:
        detail = f"The file begins as a JSON list and is none: {getattr(error, 'msg', error)!s:.200}."
        raise Problem(422, "not_json", detail) from None
    except UnicodeDecodeError as error:
        raise Problem(422, "not_json", f"The file is not UTF-8 ({error.reason}): {NOT_UTF8}.") from None


def _elements(texts: Iterator[str], longest: int) -> Iterator[bytes]:
    """Each element of a list as it stands there, on one line."""
    text, place, expected = "", 0, "["  # then elements, with commas between them
    while True:
        place = _past_space(text, place)
        mark = text[place : place + 1]
        if mark == "]" and expected != "[":
            break
        if mark and expected:
            if mark != expected:
                raise json.JSONDecodeError(f"{expected} is missing", text, place)
            place, expected = place + 1, ""
            continue
        try:
            value, end = DECODER.raw_decode(text, place)
        except json.JSONDecodeError:
            left = len(text) - place
            more = _at_least(left, texts)
            if not more or left > longest:
                raise
            text, place = text[place:] + more, 0
            continue
        yield _on_one_line(text[place:end], value)
        place, expected = end, ","
    for rest in chain([text[place + 1 :]], texts):
        if not rest.isspace() and rest:
            raise json.JSONDecodeError("more follows the list", rest, 0)


def _past_space(text: str, place: int) -> int:
    found = SPACE.match(text, place)
    return found.end() if found else place


def _at_least(count: int, texts: Iterator[str]) -> str:
    """The next texts, together as long as what is held already, so that none is read again too often."""
    more = ""
    for text in texts:
        more += text
        if more and len(more) >= count:
            break
    return more


def _on_one_line(text: str, value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False) if "\n" in text else text).encode(errors="surrogatepass")


def feed_table(writer: BatchWriter, pieces: Iterator[bytes], delimiter: str, max_row: int) -> None:
    """The rows of a table of texts as objects; raises Problem where its first line names no columns.

    `max_row` is the longest row in characters.
    """
    csv.field_size_limit(max_row)
    lines = _Lines(_texts(pieces), max_row)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = next(rows)
        _check_names(names)
        writer.take_names(names)
        values = (_row(names, cells) for cells in lines.rows(rows) if cells)
        while part := list(islice(values, ROWS)):
            writer.add_values(part)
    except csv.Error as error:
        detail = f"Row {rows.line_num} of the table cannot be read: {error}. Quote cells as RFC 4180 says."
        raise Problem(422, "bad_table", detail) from None
    except UnicodeDecodeError as error:
        raise Problem(422, "bad_table", f"The table is not UTF-8 ({error.reason}): {NOT_UTF8}.") from None


def _texts(pieces: Iterator[bytes]) -> Iterator[str]:
    """The pieces decoded, without a mark at the beginning; a character may lie in two pieces."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    yield from map(decoder.decode, pieces)
    yield decoder.decode(b"", True)


class _Lines:
    """Lines with their ends, as csv wants them; a line may lie in several texts, a row in several lines."""

    def __init__(self, texts: Iterator[str], longest: int) -> None:
        self._texts = texts
        self._longest = longest
        self._whole: Iterator[str] = iter(())
        self._rest = ""
        self._taken = 0  # characters since the last row

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while (line := next(self._whole, None)) is None:
            text = next(self._texts, None)
            if text is None:
                line, self._rest = self._rest, ""
                if not line:
                    raise StopIteration
                break
            *whole, self._rest = (self._rest + text).split("\n")
            self._whole = iter([one + "\n" for one in whole])
            self._require(len(self._rest))
        self._taken += len(line)
        self._require(self._taken)
        return line

    def rows(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        """The rows that csv makes of the lines."""
        for row in rows:
            self._taken = 0
            yield row

    def _require(self, size: int) -> None:
        if size > self._longest:
            detail = f"A row is longer than {self._longest} characters; shorten it, or close its quotes."
            raise Problem(413, "line_too_long", detail)


def _check_names(names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise Problem(
            422, "bad_table", f"The table has {len(names)} columns; at most {MAX_COLUMNS} are read."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not all(names):
        what = f"names the column {twice[0]!r:.60} twice" if twice else "has a column without a name"
        raise Problem(422, "bad_table", f"The first line {what}; give each column a name of its own.")


def _row(names: list[str], cells: list[str]) -> Any:
    """The row as an object without its empty cells, or what is wrong with it."""
    if len(cells) != len(names):
        return InvalidRecord(
            "bad_row",
            f"The row has {len(cells)} cells for {len(names)} names: quote cells that hold separators.",
        )
    return {name: _cell(name, cell) for name, cell in zip(names, cells, strict=True) if cell}


def _cell(name: str, cell: str) -> Any:
    """Text; lists and objects, and the numbers of a record, are written as JSON in a table."""
    if name in NUMBERS or cell[0] in "[{":
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell
