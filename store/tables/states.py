"""Statuses of jobs and states of shards, and which may follow which. Pure values, no SQL."""

from enum import StrEnum


class JobKind(StrEnum):
    """What a job does; the prefix of its ids says it too."""

    SELECTION = "selection"
    TRAINING = "training"
    EVALUATION = "evaluation"
    LOOP = "loop"
    COMPARISON = "comparison"
    INDEXING = "indexing"


PREFIX = {
    JobKind.SELECTION: "sel",
    JobKind.TRAINING: "trn",
    JobKind.EVALUATION: "evl",
    JobKind.LOOP: "loop",
    JobKind.COMPARISON: "cmp",
    JobKind.INDEXING: "idx",
}
MADE_OF_JOBS = frozenset({JobKind.LOOP, JobKind.COMPARISON})
"""Kinds whose shards advance them, and whose steps are jobs."""


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Accepted and stored; no worker has started."""
    RUNNING = "running"
    """At least one shard was claimed."""
    PAUSED = "paused"
    """A loop or comparison that begins nothing further until it is resumed."""
    CANCELLING = "cancelling"
    """A cancel was asked for; running shards have not stopped yet."""
    COMPLETED = "completed"
    """`result` is set and will not change."""
    FAILED = "failed"
    """`error` says why."""
    CANCELLED = "cancelled"
    """Stopped on request; nothing of it runs any more."""
    EXPIRED = "expired"
    """Took longer than it was allowed to."""


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})

_ENDS_EARLY = {JobStatus.CANCELLING, JobStatus.FAILED, JobStatus.EXPIRED}
NEXT = {
    JobStatus.QUEUED: _ENDS_EARLY | {JobStatus.RUNNING, JobStatus.PAUSED},
    JobStatus.RUNNING: _ENDS_EARLY | {JobStatus.COMPLETED, JobStatus.PAUSED},
    JobStatus.PAUSED: _ENDS_EARLY | {JobStatus.RUNNING},
    JobStatus.CANCELLING: {JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.EXPIRED},
}


class ShardState(StrEnum):
    """Where a shard stands."""

    READY = "ready"
    """Waits for a worker."""
    RUNNING = "running"
    """Leased to a worker until `lease_until`."""
    DONE = "done"
    """Its result was accepted, once."""
    FAILED = "failed"
    """It failed its job."""
    CANCELLED = "cancelled"
    """Its job ended without it."""
