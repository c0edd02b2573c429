"""wait(): long polls until a job has ended, through restarts of the service."""

import sys
import time
from typing import TypeVar

from evoselect_client.errors import ConnectionFailedError, JobFailedError, ServerError, WaitTimeoutError
from evoselect_client.models import TERMINAL, Job, Progress

JobT = TypeVar("JobT", bound=Job)

LONG_POLL = 30.0  # seconds the service may hold one request
WATCHED_POLL = 1.0  # seconds between two states when somebody watches
OUTAGE = 120.0  # seconds without any answer before wait() gives up
OUTAGE_PAUSE = 1.0  # seconds between tries while the service is away


def wait(job: JobT, *, progress: Progress, timeout: float | None) -> JobT:
    """See Job.wait."""
    show = _Line() if progress is True else progress or None
    deadline = None if timeout is None else time.monotonic() + timeout
    while job.status not in TERMINAL:
        if show:
            show(job)
        left = LONG_POLL if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(
                f"{job.object} {job.id} is still {job.status} after {timeout} s; it goes on."
            )
        job = _poll(job, min(left, WATCHED_POLL if show else LONG_POLL))
    if show:
        show(job)
    if job.status != "completed":
        raise JobFailedError(job)
    return job


def _poll(job: JobT, seconds: float) -> JobT:
    started = time.monotonic()
    while True:
        try:
            return job.poll(seconds)
        except (ConnectionFailedError, ServerError):
            if time.monotonic() - started > OUTAGE:
                raise
            time.sleep(OUTAGE_PAUSE)


class _Line:
    """One line on stderr: redrawn on a terminal, else written anew at each phase and tenth of the work."""

    def __init__(self) -> None:
        self._last = ""
        self._mark: tuple[str, str | None, int] | None = None

    def __call__(self, job: Job) -> None:
        text = describe(job)
        total = max(1, job.progress.rows_total)
        mark = (job.status, job.phase, 10 * job.progress.rows_done // total)
        if sys.stderr.isatty():
            end = "\n" if job.status in TERMINAL else ""
            print(f"\r{text:<{len(self._last)}}", end=end, file=sys.stderr, flush=True)
            self._last = text
        elif mark != self._mark:
            print(text, file=sys.stderr, flush=True)
        self._mark = mark


def describe(job: Job) -> str:
    """One line about where a job stands: "selection sel_1 running features 312/1040, about 42 s left"."""
    parts = [f"{job.object} {job.id} {job.status}"]
    phase = job.progress.phases.get(job.phase or "")
    if phase and job.status not in TERMINAL:
        parts.append(f"{job.phase} {phase.done}/{phase.total}")
    text = " ".join(parts)
    return f"{text}, about {job.eta_seconds:.0f} s left" if job.eta_seconds is not None else text
