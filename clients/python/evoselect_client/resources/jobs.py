"""What every kind of job has: a state, progress, events, and a way to wait for its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, Union

from evoselect_client.core.calls import Call, segment
from evoselect_client.core.nouns import PAGE_SIZE, Nouns, pages
from evoselect_client.core.resource import Bound, Resource
from evoselect_client.core.steps import Listing, Mode, Same, Steps, Values, Verb
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


class Job(Bound[Mode]):
    """A piece of work on the service: poll it, wait for it, cancel it."""

    status: str
    done: bool
    phase: str | None = None
    progress: JobProgress = JobProgress()
    eta_seconds: float | None = None
    name: str | None = None
    request: dict[str, Any] = {}
    result: dict[str, Any] | None = None
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
        return (yield from self._noun.look(self.id, seconds))

    @Same
    def refresh(self) -> Steps[Any]:
        """The job's present state."""
        return (yield from self._noun.look(self.id, 0))

    @Same
    def wait(self, *, progress: Progress = False, timeout: float | None = None) -> Steps[Any]:
        """Wait until the job has ended; returns it completed.

        `timeout` is in seconds, None waits for as long as it takes. Raises WaitTimeoutError, or
        JobFailedError when the job ended without a result. Outlives outages of up to two minutes.
        """
        from evoselect_client.core.waiting import wait

        return (yield from wait(self, self._noun, progress=progress, timeout=timeout))

    @Same
    def cancel(self) -> Steps[Any]:
        """Ask the job to stop; ConflictError when it has ended already."""
        return (yield from self._noun.act(self.id, "cancel"))

    @Same
    def retry(self) -> Steps[Any]:
        """A new job with the same request; ConflictError unless this one ended without a result."""
        return (yield from self._noun.act(self.id, "retry"))

    @Listing
    def events(self, *, after: int = 0) -> Values[Event]:
        """What happened to the job so far, from the event after that number on."""
        yield from self._noun.transitions(self.id, after)

    def output(self) -> dict[str, Any]:
        """The result of a completed job; raises JobFailedError for any other."""
        if self.result is None:
            raise JobFailedError(self)
        return self.result


class Jobs(Nouns[JobT, Mode]):
    """What selections, trainings and evaluations share."""

    @Verb
    def cancel(self, id: str) -> Steps[JobT]:
        """Ask the job to stop; ConflictError when it has ended already."""
        return (yield from self.act(id, "cancel"))

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete a job that has ended, with its results; ConflictError before, or while it is needed."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)

    @Verb
    def retry(self, id: str) -> Steps[JobT]:
        """The same request as a new job; ConflictError unless the old one ended without a result."""
        return (yield from self.act(id, "retry"))

    @Listing
    def events(self, id: str, *, after: int = 0) -> Values[Event]:
        """The job's transitions so far, in order, those with a number above `after`."""
        yield from self.transitions(id, after)

    @Verb
    def poll(self, id: str, seconds: float) -> Steps[JobT]:
        """The job's state, as soon as it has ended or after some seconds."""
        return (yield from self.look(id, seconds))

    def act(self, id: str, verb: str) -> Steps[JobT]:
        """The steps of `cancel` and `retry`."""
        return (yield from self._post(f"{self.path}/{segment(id)}/{verb}", {}))

    def look(self, id: str, seconds: float) -> Steps[JobT]:
        """The steps of `poll`."""
        return (yield from self._get(f"{self.path}/{segment(id)}", wait=max(0, round(seconds))))

    def transitions(self, id: str, after: int) -> Values[Event]:
        """The steps of `events`."""
        yield from pages(
            self.session, f"{self.path}/{segment(id)}/events", Event.model_validate, PAGE_SIZE, after=after
        )

    def page(self, id: str) -> Steps[str]:
        """The steps of `report`."""
        return (
            yield from self.session.send(Call("GET", f"{self.path}/{segment(id)}/report", str, accept=HTML))
        )
