"""Prompts that a user's template makes of rows, rendered by a process of its own (template_child.py)."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, Self

import orjson

from service.http.problems import Problem
from store.records.faults import InvalidRecord, shown
from store.records.layout import Filled
from store.records.record import MAX_TEXT_CHARS

CHILD = Path(__file__).with_name("template_child.py")
LIMITS = {
    "memory": 64 * 2**20,  # bytes
    "row_seconds": 1.0,  # of the processor, for one row; a usual template takes 20 microseconds
    "seconds": 900,  # for all rows of a batch
    "max_chars": MAX_TEXT_CHARS,
}
PATIENCE_SECONDS = 120.0  # without an answer, on a machine that is very busy
ROWS, FRAME_BYTES = 1_000, 2**20  # that are rendered in one go, whichever comes first
PIECE = 2**16
SLOW = (-signal.SIGPROF, -signal.SIGXCPU)  # how the child ends that took too long

Prompt = Filled | InvalidRecord | None


class Prompts:
    """A template and, once there are rows, the process that renders it; without a template there is none.

    `share` is held as long as the process lives.
    """

    def __init__(self, template: str | None, share: AbstractContextManager[None] | None = None) -> None:
        self._template = template
        self._share = share or nullcontext()
        self._held = ExitStack()
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._held.close()

    def beside(self, values: Iterable[Any], columns: Sequence[str] = ()) -> Iterator[tuple[Any, Prompt]]:
        """Every row with its prompt, or why it has none; None where there is no template or no row.

        `columns` are those of a table, whose rows lack the ones without a value. Raises Problem where the
        template is none, or takes too long.
        """
        if self._template is None:
            yield from ((value, None) for value in values)
            return
        left = iter(values)
        while some := list(islice(left, ROWS)):
            yield from zip(some, self._prompts(some, dict.fromkeys(columns)), strict=True)

    def _prompts(self, values: Sequence[Any], nothing: dict[str, None]) -> Iterator[Prompt]:
        made: list[Prompt] = []
        for frame in _frames(nothing | value for value in values if type(value) is dict):
            made += self._running().prompts(frame)
        found = iter(made)
        return (next(found) if type(value) is dict else None for value in values)

    def _running(self) -> "_Child":
        if self._child is None:
            self._held.enter_context(self._share)
            self._child = self._held.enter_context(_Child(self._template or ""))
        return self._child


class _Child:
    """The process with the template; `prompts` may be asked of it until the block ends."""

    def __init__(self, template: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), json.dumps(LIMITS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"MALLOC_ARENA_MAX": "1"},  # nothing of ours that a template could come to read
            bufsize=0,
        )
        self._template = template
        self._lines: deque[bytes] = deque()
        self._rest = b""

    def __enter__(self) -> Self:
        try:
            self._send(self._template.encode())
            opened = self._line(b"the template itself")
        except BaseException:
            self.__exit__()
            raise
        if "used" not in opened:
            self.__exit__()
            raise Problem(422, opened["code"], opened["detail"])
        self._used = frozenset(opened["used"])
        return self

    def __exit__(self, *ended: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def prompts(self, rows: list[bytes]) -> list[Prompt]:
        """What the template makes of rows that are JSON each."""
        self._send(b"\n".join(rows))
        return [self._as_prompt(self._line(row)) for row in rows]

    def _as_prompt(self, answer: dict[str, str]) -> Prompt:
        if "prompt" in answer:
            return Filled(answer["prompt"], self._used)
        return InvalidRecord(answer["code"], answer["detail"])

    def _send(self, frame: bytes) -> None:
        assert self._process.stdin is not None
        left = memoryview(len(frame).to_bytes(8) + frame)
        try:
            while left:
                left = left[self._process.stdin.write(left) or 0 :]
        except BrokenPipeError:
            raise self._ended(frame) from None

    def _line(self, row: bytes) -> dict[str, Any]:
        """The next answer, which is about this row."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._lines:
            *whole, self._rest = (self._rest + self._piece(deadline, row)).split(b"\n")
            self._lines += whole
        found: dict[str, Any] = orjson.loads(self._lines.popleft())
        return found

    def _piece(self, deadline: float, row: bytes) -> bytes:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(fd, select.POLLIN | select.POLLHUP)
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            self._process.kill()
            raise _too_slow(row)
        piece = os.read(fd, PIECE)
        if not piece:
            raise self._ended(row)
        return piece

    def _ended(self, row: bytes) -> Problem:
        if self._process.wait(PATIENCE_SECONDS) in SLOW:
            return _too_slow(row)
        detail = f"The template ends the process that renders it, on {_named(row)}: write it more simply."
        return Problem(422, "bad_template", detail)


def _frames(rows: Iterable[dict[str, Any]]) -> Iterator[list[bytes]]:
    """The rows as JSON, some at a time."""
    frame: list[bytes] = []
    size = 0
    for row in rows:
        line = orjson.dumps(row, default=str)
        if frame and size + len(line) > FRAME_BYTES:
            yield frame
            frame, size = [], 0
        frame.append(line)
        size += len(line)
    if frame:
        yield frame


def _too_slow(row: bytes) -> Problem:
    seconds = f"{LIMITS['row_seconds']:g} s on a row, or {LIMITS['seconds']} s on all of them"
    detail = f"The template takes more than {seconds}; it was ended on {_named(row)}: look for endless loops."
    return Problem(422, "template_too_slow", detail)


def _named(row: bytes) -> str:
    return shown(row.decode(errors="replace"))
