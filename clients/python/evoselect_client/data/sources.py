"""Where records come from: cut into NDJSON parts of bounded size, whatever holds them.

A path, the URL of a file in a store (s3://, gs://, hf://; by fsspec, where it is installed), a file object, a
pandas DataFrame, a pyarrow Table or RecordBatchReader, a datasets.Dataset, or any iterable of dictionaries.
They are told apart by their methods, so that none of the packages is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol, Union

from evoselect_client.core.calls import Content
from evoselect_client.errors import BadInputError


class Table(Protocol):
    """A pyarrow Table."""

    def to_batches(self) -> Any:
        """Its rows in pieces."""


Records = Union[str, "os.PathLike[str]", IO[bytes], IO[str], Table, Iterable[Any]]

# What is in memory at a time, and what a lost connection costs. A part costs the service about 50 ms beside
# its records, which with 4 MiB was half of the time of an upload.
PART_BYTES = 16 * 2**20
SLICE_ROWS = 1_000  # rows of a table that are Python objects at a time
Block = tuple[Content, int]  # whole lines, and how many
_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # json.dumps would make one a record
BOM = b"\xef\xbb\xbf"  # with which some programs begin a text
HEAD_BYTES = 4096
ROW = '{"prompt": "...", "completion": "..."}'
NO_NUMBER = "it holds NaN or infinity, which JSON does not know: send null"
TABLES = (b"PAR1", b"ARRO", b"\xff\xff\xff\xff")  # Parquet; Arrow's file and stream
URL = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True)
class Part:
    """Some lines of NDJSON; `first_line` is the number of its first line in the whole input, from 1."""

    first_line: int
    lines: int
    content: Content

    def sha256(self) -> str:
        """Of all of it, in hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.content:
            digest.update(piece)
        return digest.hexdigest()


def parts(records: Records, size: int = PART_BYTES) -> Iterator[Part]:
    """Cut the input into parts of at most about `size` bytes, in order; empty lines keep their number.

    BadInputError for a file with a line that is longer than a part, and for a record that is no JSON.
    """
    if size < 1:
        raise ValueError(f"part_bytes is {size}: send at least 1")
    first = 1
    for content, lines in _file_blocks(records, size) if is_file(records) else _row_blocks(records, size):
        yield Part(first, lines, content)
        first += lines
        del content  # before the next one is read


def as_list(records: Records) -> list[Any]:
    """All records as decoded JSON, for calls that take them inline; BadInputError names a bad line."""
    if not is_file(records):
        return [_sendable(record, number) for number, record in enumerate(rows(records), 1)]
    if is_whole(records):
        how = "send it by targets.create or pools.add, then use the id"
        raise BadInputError(f"{records} is no JSON Lines: {how}")
    lines = b"".join(piece for part in parts(records) for piece in part.content).splitlines()
    name = getattr(records, "name", records)
    found = [_decode(line, name, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise no_rows(name)
    return found


def no_rows(name: Any) -> BadInputError:
    """What to say of a file without a record."""
    return BadInputError(f"{name} holds no records: a record is one line, such as {ROW}")


def rows(records: Any) -> Iterator[Any]:
    """The records one by one; a table's come in slices."""
    if isinstance(records, Mapping):
        raise TypeError("records is one mapping: pass a list of records")
    if hasattr(records, "iloc"):
        for start in range(0, len(records), SLICE_ROWS):
            slice_ = records.iloc[start : start + SLICE_ROWS].to_dict("records")
            yield from ({name: _plain(value) for name, value in row.items()} for row in slice_)
    elif hasattr(records, "to_batches"):
        for batch in records.to_batches(max_chunksize=SLICE_ROWS):
            yield from batch.to_pylist()
    elif hasattr(records, "features") and hasattr(records, "iter"):
        for columns in records.with_format(None).iter(batch_size=SLICE_ROWS):
            yield from (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    else:
        for record in records:
            yield from record.to_pylist() if hasattr(record, "to_pylist") else (record,)


def is_file(records: Any) -> bool:
    """Whether this is a path or an open file."""
    return isinstance(records, (str, os.PathLike)) or hasattr(records, "read")


def is_whole(records: Any) -> bool:
    """Whether this is the path of a file that cannot be cut at lines.

    Parquet, Arrow, CSV, a JSON list and packed files cannot; JSON Lines can.
    """
    if not isinstance(records, (str, os.PathLike)):
        return False
    with open(records, "rb") as file:
        head = file.read(HEAD_BYTES).removeprefix(BOM).lstrip()
    return bool(head) and not head.startswith(b"{")


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether the file is Parquet or Arrow, by its first bytes."""
    with open(path, "rb") as file:
        return file.read(4) in TABLES


def is_url(records: Any) -> bool:
    """Whether this names a file of a store such as s3://, gs:// or hf://."""
    return isinstance(records, str) and bool(URL.match(records))


def fetched(url: str, folder: str) -> str:
    """A local copy of what a URL names, made by fsspec; BadInputError where it cannot be read."""
    try:
        import fsspec  # type: ignore[import-untyped,unused-ignore]

        filesystem, place = fsspec.core.url_to_fs(url)
        path = os.path.join(folder, os.path.basename(place) or "rows")
        filesystem.get_file(place, path)
    except ImportError as error:
        how = "install fsspec and the package for its store (s3fs, gcsfs, huggingface_hub)"
        raise BadInputError(f"{url} cannot be read ({error}): {how}") from None
    except Exception as error:  # each store has errors of its own
        raise BadInputError(f"{url} cannot be read: {type(error).__name__}: {error}") from error
    return path


def _file_blocks(records: Any, size: int) -> Iterator[Block]:
    if isinstance(records, (str, os.PathLike)):
        with open(records, "rb") as file:
            yield from _cut(file, size)
    else:
        yield from _cut(records, size)


def _cut(file: Any, size: int) -> Iterator[Block]:
    """Blocks that end with a line; the last one gets the end that it lacks. What is large is not copied."""
    rest, before = b"", 0
    while block := file.read(size):
        if isinstance(block, str):
            block = block.encode()
        end = block.rfind(b"\n") + 1
        if not end and len(rest) + len(block) > size:
            raise BadInputError(f"line {before + 1} is longer than {size} bytes: is this JSON Lines?")
        if end:
            lines = block.count(b"\n", 0, end)
            yield (rest, memoryview(block)[:end]), lines
            before += lines
            rest = b""
        rest += block[end:]
        del block  # before the next one is read
    if rest:
        yield (rest, b"\n"), 1


def _row_blocks(records: Any, size: int) -> Iterator[Block]:
    buffer, lines = bytearray(), 0
    for number, record in enumerate(rows(records), 1):
        line = _encoded(record, number) + b"\n"
        if lines and len(buffer) + len(line) > size:
            yield (memoryview(buffer),), lines
            buffer, lines = bytearray(), 0
        buffer += line
        lines += 1
    if lines:
        yield (memoryview(buffer),), lines


def _plain(value: Any) -> Any:
    """A cell as JSON has it: arrays become lists, numpy's numbers Python's, what is missing None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value != value else value  # NaN and NaT differ from themselves


def _decode(line: bytes, name: Any, number: int) -> Any:
    try:
        return _sendable(json.loads(line), number, f"{name}, line")
    except BadInputError:
        raise
    except (RecursionError, ValueError) as error:
        raise BadInputError(f"{name}, line {number} is not JSON: {error}") from None


def _sendable(record: Any, number: int, what: str = "record") -> Any:
    _encoded(record, number, what)
    return record


def _encoded(record: Any, number: int, what: str = "record") -> bytes:
    try:
        return _json(record).encode()
    except (RecursionError, TypeError, ValueError) as error:
        why = NO_NUMBER if "Out of range float" in str(error) else str(error)
        raise BadInputError(f"{what} {number} cannot be sent as JSON: {why}") from None
