"""Where candidates come from: a path or any iterable, cut into NDJSON chunks of bounded size."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Union

Records = Union[str, "os.PathLike[str]", Iterable[Any]]

CHUNK_BYTES = 4 * 2**20
CHUNK_LINES = 10_000


@dataclass(frozen=True)
class Chunk:
    """Some lines of NDJSON; `first_line` is the number of its first line in the whole input, from 1."""

    first_line: int
    lines: int
    content: bytes


def chunks(records: Records) -> Iterator[Chunk]:
    """Cut the input into chunks in order; one is in memory at a time; empty lines keep their number."""
    buffer: list[bytes] = []
    size, first = 0, 1
    for line in _lines(records):
        if buffer and (size + len(line) > CHUNK_BYTES or len(buffer) == CHUNK_LINES):
            yield Chunk(first, len(buffer), b"".join(buffer))
            first += len(buffer)
            buffer, size = [], 0
        buffer.append(line)
        size += len(line)
    if buffer:
        yield Chunk(first, len(buffer), b"".join(buffer))


def as_list(records: Records) -> list[Any]:
    """All records as decoded JSON, for calls that take them inline; ValueError names a bad line."""
    if not isinstance(records, (str, os.PathLike)):
        return list(records)
    values = []
    with open(records, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                values.append(_decode(line, records, number))
    return values


def _lines(records: Records) -> Iterator[bytes]:
    if isinstance(records, (str, os.PathLike)):
        with open(records, "rb") as file:
            for line in file:
                yield line if line.endswith(b"\n") else line + b"\n"
        return
    for record in records:
        yield json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"


def _decode(line: str, path: Any, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}, line {number} is not JSON: {error}") from None
