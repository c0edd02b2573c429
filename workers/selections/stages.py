"""Where a phase stands that does all its rows at once, stage after stage."""

from store.jobs import shards
from workers.process.work import Work

STAGES = ("read", "copies", "conditioned", "tuned", "relaxed", "chosen", "curve", "compared", "described")
"""In their order; a selection may pass over some of them."""


class Stages:
    """Every stage that is done counts as an equal part of the rows, whatever time it took."""

    def __init__(self, work: Work) -> None:
        with work.context.database.transaction() as session:
            (shard,) = shards.of_phase(session, work.claim.job_id, work.claim.phase)
        self._progress = work.progress
        self._rows = shard.rows_total
        self._done = 0

    def done(self, stage: str) -> None:
        """The stage is done, and those before it; raises when the work must stop."""
        self._done = max(self._done, STAGES.index(stage) + 1)
        self.alive()

    def alive(self, _: int = 0) -> None:
        """In place of a work's own progress, for steps within a stage; raises when the work must stop."""
        self._progress(self._rows * self._done // len(STAGES))
