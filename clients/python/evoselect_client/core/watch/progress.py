"""What people see: progress on stderr, redrawn on a terminal, else written now and then; small tables.

A notebook has bars in place of lines where tqdm is installed.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from evoselect_client.core.resource import TERMINAL
from evoselect_client.core.watch import bars

REDRAW_SECONDS = 0.2  # between two drawings on a terminal
REWRITE_SECONDS = 10.0  # between two lines elsewhere


class Count(Protocol):
    """Takes the number so far, and None at the end."""

    def __call__(self, done: int | None, /) -> None: ...


def counter(progress: bool | Callable[[int], None], unit: str) -> Count:
    """What shows how much was sent: nothing, a line on stderr, or the caller's function."""
    if progress is True:
        return bars.of_count(unit) or _Counter(unit)
    return _Told(progress or (lambda done: None))


class _Told:
    def __init__(self, function: Callable[[int], None]) -> None:
        self._function = function

    def __call__(self, done: int | None) -> None:
        if done is not None:
            self._function(done)


class _Counter:
    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._started = time.monotonic()
        self._drawn = float("-inf")
        self._done = 0

    def __call__(self, done: int | None) -> None:
        self._done = self._done if done is None else done
        now = time.monotonic()
        if done is not None and now - self._drawn < (
            REDRAW_SECONDS if sys.stderr.isatty() else REWRITE_SECONDS
        ):
            return
        self._drawn = now
        rate = self._done / max(now - self._started, 1e-3)
        start, end = ("\r", "\n" if done is None else "") if sys.stderr.isatty() else ("", "\n")
        print(f"{start}{self._done:,} {self._unit} sent, {rate:,.0f} per second", end=end, file=sys.stderr)
        sys.stderr.flush()


class Watched(Protocol):
    """A job, as far as its line goes."""

    @property
    def id(self) -> str: ...
    @property
    def object(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def phase(self) -> str | None: ...
    @property
    def progress(self) -> Any: ...
    @property
    def eta_seconds(self) -> float | None: ...


class JobLine:
    """The state of a job; elsewhere than on a terminal at each phase, tenth of the work, or now and then."""

    def __init__(self) -> None:
        self._last = ""
        self._mark: tuple[str, str | None, int] | None = None
        self._written = float("-inf")

    def __call__(self, job: Watched) -> None:
        """Draw it."""
        text = describe(job)
        total = max(1, job.progress.rows_total)
        mark = (job.status, job.phase, 10 * job.progress.rows_done // total)
        if sys.stderr.isatty():
            end = "\n" if job.status in TERMINAL else ""
            print(f"\r{text:<{len(self._last)}}", end=end, file=sys.stderr, flush=True)
            self._last = text
        elif mark != self._mark or time.monotonic() - self._written > REWRITE_SECONDS:
            print(text, file=sys.stderr, flush=True)
            self._written = time.monotonic()
        self._mark = mark


def describe(job: Watched) -> str:
    """One line about where a job stands: "selection sel_1 running features 312/1040 (9 s), about 42 s left".

    The seconds in brackets are those of the phase: some do all their rows at once.
    """
    parts = [f"{job.object} {job.id} {job.status}"]
    phase = job.progress.phases.get(job.phase or "")
    if phase and job.status not in TERMINAL:
        parts.append(f"{job.phase} {phase.done}/{phase.total} ({phase.seconds:.0f} s)")
    text = " ".join(parts)
    return f"{text}, about {job.eta_seconds:.0f} s left" if job.eta_seconds is not None else text


def html_table(caption: str, values: Mapping[str, Any]) -> str:
    """A small table for notebooks: a name and its value a row; what is None is left out, text is escaped."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(f'{value}')}</td></tr>"
        for name, value in values.items()
        if value is not None
    )
    return f"<table><caption>{html.escape(caption)}</caption>{rows}</table>"
