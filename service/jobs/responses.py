"""Models of responses about jobs."""

from datetime import datetime

from service.http.responses import OpenResponseModel, ResponseModel
from store.tables.states import JobStatus


class PhaseProgress(ResponseModel):
    """How far one phase is."""

    done: int
    """Rows (steps, questions, candidates) done; 0 or more."""
    total: int
    """Rows in all."""
    seconds: float
    """Seconds that the last run of each of its shards took, added up."""


class Progress(ResponseModel):
    """How far a job is, over all phases known so far."""

    rows_done: int
    """Rows done, 0 or more; their unit is that of the phases."""
    rows_total: int
    """Rows in all; it grows when a phase begins that was not known before."""
    phases: dict[str, PhaseProgress]
    """By phase: features and transport; train; evaluate; generate and advance."""


class JobFault(ResponseModel):
    """Why a job failed."""

    code: str
    """Stable name of the reason, for programs."""
    detail: str
    """What happened and what to do next."""


class Job(ResponseModel):
    """What every kind of job has."""

    id: str
    """Id, with a prefix that names its kind."""
    status: JobStatus
    """Where it stands; completed, failed, cancelled and expired are ends."""
    done: bool
    """Whether `status` is an end."""
    phase: str | None
    """What runs now; null before and after."""
    progress: Progress
    """How far it is."""
    eta_seconds: float | None
    """Seconds that the present phase will take at its pace so far; null while that says nothing."""
    name: str | None
    """A name of yours."""
    error: JobFault | None
    """Why it failed; null unless it did."""
    metadata: dict[str, str]
    """Pairs of yours, at most 16."""
    created_at: datetime
    """When it was accepted."""
    queued_at: datetime | None
    """When it was put in line; null before."""
    running_at: datetime | None
    """When a worker first took it; null before."""
    paused_at: datetime | None
    """When it was last paused; loops alone."""
    cancelling_at: datetime | None
    """When it was asked to stop; null unless it was."""
    completed_at: datetime | None
    """When it ended with a result; null unless it did."""
    failed_at: datetime | None
    """When it failed; null unless it did."""
    cancelled_at: datetime | None
    """When it stopped because it was asked to; null unless it did."""
    expired_at: datetime | None
    """When it had taken longer than the operator allows; null unless it did."""


class EventData(OpenResponseModel):
    """What an event tells; each type has members of its own."""

    phase: str | None = None
    """`phase.started`: the phase that began."""
    step: int | str | None = None
    """`training.metrics`: the optimizer's step, from 1; `step.started` of a loop: the name of the step."""
    loss: float | None = None
    """`training.metrics`: mean loss per answer token of the step, in nats."""
    round: int | None = None
    """Events of a loop: the round, from 1; `round.health` and `round.warning` tell how it fares."""


class Event(ResponseModel):
    """One transition of a job."""

    sequence: int
    """Number within the job, from 1, without gaps."""
    type: str
    """What happened, such as `job.running`, `phase.started`, `training.metrics` or `job.completed`."""
    data: EventData
    """What there is to say about it."""
    created_at: datetime
    """When it happened."""


class Reported(ResponseModel):
    """The job that a report is about."""

    id: str
    """Its id."""
    name: str | None
    """A name of yours."""
    created_at: datetime
    """When it was accepted."""
    completed_at: datetime | None
    """When it was completed."""
    metadata: dict[str, str]
    """Pairs of yours."""
