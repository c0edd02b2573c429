"""What a phase works on, and what it produces."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.orm import Session

from store.jobs.claims import Claim
from store.jobs.requests import Requested
from store.jobs.results import Kept, Result
from workers.context import Context

RequestedT = TypeVar("RequestedT", bound=Requested)


@dataclass(frozen=True, slots=True)
class Work:
    """What a phase works on."""

    claim: Claim
    context: Context
    progress: Callable[[int], None]
    """Call with the rows done after each small step; raises when the work must stop."""

    def asked(self, kind: type[RequestedT]) -> RequestedT:
        """The job's request; raises Invalid for settings that an older version took."""
        return kind.of(self.claim.request, self.claim.job_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a phase produced: its artifacts are stored, only rows remain to be written."""

    result: Kept = field(default_factory=Kept)
    """Kept on the shard, for the next phase."""
    job_result: Result | None = None
    """Becomes the job's result, in the last phase."""
    save: Callable[[Session], None] = field(default=lambda session: None)
    """Writes further rows in the transaction that commits the shard."""
