"""What every kind of job has: a state, progress, events, and a way to wait for its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, Union

from evoselect_client.core.calls import Call, segment
from evoselect_client.core.labelled import Labelled, LabelledNouns
from evoselect_client.core.nouns import PAGE_SIZE, pages
from evoselect_client.core.resource import Resource
from evoselect_client.core.steps import Listing, Mode, Same, Steps, Values, Verb
from evoselect_client.core.watch.event_stream import followed
from evoselect_client.core.watch.progress import describe, html_table
from evoselect_client.errors import JobFailedError

Progress = Union[bool, Callable[["Job[Any]"], None]]  # noqa: UP007 - 3.10 cannot join a forward reference
# True draws a line on stderr; a function gets every state
JobT = TypeVar("JobT", bound="Job[Any]")
HTML = "text/html"


class PhaseProgress(Resource):
    """Rows done and in all of one phase, and its seconds so far."""

    done: int
    total: int
    seconds: float


class JobProgress(Resource):
    """Rows over all phases known so far."""

    rows_done: int = 0
    rows_total: int = 0
    phases: dict[str, PhaseProgress] = {}


class JobError(Resource):
    """Why a job failed."""

    code: str
    detail: str


class Event(Resource):
    """One transition of a job; numbers have no gap."""

    sequence: int
    type: str
    data: dict[str, Any] = {}
    created_at: datetime


class Job(Labelled[Mode]):
    """A piece of work on the service: poll it, wait for it, cancel it."""

    status: str
    done: bool
    phase: str | None = None
    progress: JobProgress = JobProgress()
    eta_seconds: float | None = None
    name: str | None = None
    request: dict[str, Any] = {}
    result: Any = None
    """What it came to; None until it is completed."""
    error: JobError | None = None
    metadata: dict[str, Any] = {}
    created_at: datetime
    queued_at: datetime | None = None
    running_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    expired_at: datetime | None = None

    @Same
    def poll(self, seconds: float) -> Steps[Any]:
        """The job's state, as soon as it has ended or after some seconds."""
        return (yield from self._noun.poll.steps(self.id, seconds))

    @Same
    def refresh(self) -> Steps[Any]:
        """The job's present state."""
        return (yield from self._noun.poll.steps(self.id, 0))

    @Same
    def wait(
        self,
        *,
        progress: Progress = False,
        timeout: float | None = None,
        cancel_on_interrupt: bool = False,
    ) -> Steps[Any]:
        """Wait until the job has ended; returns it completed.

        `timeout` is in seconds, None waits for as long as it takes. Raises WaitTimeoutError, or
        JobFailedError when the job ended without a result. Outlives outages of up to two minutes.
        `progress` True shows a line on stderr, in a notebook a bar of tqdm where that is installed. Ctrl-C
        ends the wait and says how to wait again: the job goes on, unless `cancel_on_interrupt` (of a Client)
        asks it to stop.
        """
        from evoselect_client.core.watch.waiting import wait

        return (
            yield from wait(
                self,
                self._noun,
                progress=progress,
                timeout=timeout,
                cancel_on_interrupt=cancel_on_interrupt,
            )
        )

    @Same
    def cancel(self) -> Steps[Any]:
        """Ask the job to stop; ConflictError when it has ended already."""
        return (yield from self._noun.cancel.steps(self.id))

    @Same
    def retry(self) -> Steps[Any]:
        """A new job with the same request; ConflictError unless this one ended without a result."""
        return (yield from self._noun.retry.steps(self.id))

    @Listing
    def events(self, *, after: int = 0, follow: bool = False) -> Values[Event]:
        """What happened to the job so far, from the event after that number on; see Jobs.events."""
        yield from self._noun.events.steps(self.id, after=after, follow=follow)

    def output(self) -> Any:
        """The result of a completed job; raises JobFailedError for any other."""
        if self.result is None:
            raise JobFailedError(self)
        return self.result

    def __repr__(self) -> str:
        return f"<{describe(self)}>"

    def _repr_html_(self) -> str:
        numbers = {"status": self.status, "phase": self.phase, "name": self.name, "created": self.created_at}
        return html_table(f"{self.object} {self.id}", numbers)


class SteppedJob(Job[Mode]):
    """A job whose steps are jobs: it can be paused, and has a report while it runs."""

    paused_at: datetime | None = None

    @Verb
    def report(self) -> Steps[str]:
        """What it came to so far with intervals, as one HTML page that needs nothing else."""
        page: str = yield from self._noun.report.steps(self.id)
        return page

    @Same
    def pause(self) -> Steps[Any]:
        """Begin nothing further; steps that run go on to their end."""
        return (yield from self._noun.pause.steps(self.id))

    @Same
    def resume(self) -> Steps[Any]:
        """Go on after a pause."""
        return (yield from self._noun.resume.steps(self.id))


class Jobs(LabelledNouns[JobT, Mode]):
    """What selections, trainings and evaluations share."""

    @Verb
    def cancel(self, id: str) -> Steps[JobT]:
        """Ask the job to stop; ConflictError when it has ended already."""
        return (yield from self._act(id, "cancel"))

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete a job that has ended, with its results; ConflictError before, or while it is needed."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)

    @Verb
    def retry(self, id: str) -> Steps[JobT]:
        """The same request as a new job; ConflictError unless the old one ended without a result."""
        return (yield from self._act(id, "retry"))

    @Listing
    def events(self, id: str, *, after: int = 0, follow: bool = False) -> Values[Event]:
        """The job's transitions so far, in order, those with a number above `after`.

        With `follow` those that are still to come too, as they happen, until the job has ended; outages of
        up to two minutes are waited for.
        """
        path = f"{self.path}/{segment(id)}/events"
        if follow:
            yield from followed(self.session, path, Event.model_validate, after)
        else:
            yield from pages(self.session, path, Event.model_validate, page_size=PAGE_SIZE, after=after)

    @Verb
    def poll(self, id: str, seconds: float) -> Steps[JobT]:
        """The job's state, as soon as it has ended or after some seconds."""
        return (yield from self._get(f"{self.path}/{segment(id)}", wait=max(0, round(seconds))))

    def _act(self, id: str, verb: str) -> Steps[JobT]:
        return (yield from self._post(f"{self.path}/{segment(id)}/{verb}", {}))

    def _page(self, id: str) -> Steps[str]:
        return (
            yield from self.session.send(Call("GET", f"{self.path}/{segment(id)}/report", str, accept=HTML))
        )


class SteppedJobs(Jobs[JobT, Mode]):
    """What loops and comparisons share."""

    @Verb
    def pause(self, id: str) -> Steps[JobT]:
        """Begin nothing further; steps that run go on to their end."""
        return (yield from self._act(id, "pause"))

    @Verb
    def resume(self, id: str) -> Steps[JobT]:
        """Go on after a pause."""
        return (yield from self._act(id, "resume"))

    @Verb
    def report(self, id: str) -> Steps[str]:
        """What it came to so far with intervals, as one HTML page that needs nothing else."""
        return (yield from self._page(id))
