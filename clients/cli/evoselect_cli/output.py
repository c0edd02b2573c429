"""What the command prints: results on stdout (with --json one document), all else on stderr."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from evoselect_client.models import Job

JobT = TypeVar("JobT", bound=Job)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    out.file.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_pairs(title: str, pairs: dict[str, Any]) -> None:
    """A two-column table on stdout."""
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in pairs.items():
        table.add_row(name, _short(value))
    out.print(table)


def wait(job: JobT) -> JobT:
    """Wait for a job, its phases as bars on a terminal, as lines elsewhere; raises JobFailedError."""
    if not err.is_terminal:
        return with_progress(job, True)
    with _bars() as bars:
        return with_progress(job, _Phases(bars))


def with_progress(job: JobT, progress: Any) -> JobT:
    """Wait for a job, its states told by `progress`; an interrupt says that it goes on."""
    try:
        return job.wait(progress=progress)
    except KeyboardInterrupt:
        err.print(f"The {job.object} goes on where its service runs: evoselect watch {job.id}")
        raise


@contextmanager
def upload_bar(what: str) -> Iterator[Any]:
    """A counter for lines that are sent; yields the function to call with the lines so far."""
    with Progress(TextColumn("{task.description}"), MofNCompleteColumn(), console=err) as bars:
        task = bars.add_task(what, total=None)
        yield lambda lines: bars.update(task, completed=lines)


class _Phases:
    """One bar per phase, as the phases come up."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, job: Job) -> None:
        if not job.progress.phases and not self._tasks:
            self._tasks[""] = self._bars.add_task(f"{job.object} {job.status}", total=None)
        for name, phase in job.progress.phases.items():
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(f"{job.object} {name}", total=None)
            total = phase.total if phase.done else None  # a bar that moves: some phases do all rows at once
            self._bars.update(self._tasks[name], completed=phase.done, total=total)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
    )


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
