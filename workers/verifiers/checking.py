"""Records to scores, some requests at a time, until all are there or the budget is used up.

What was scored is left on the shard now and then, so that a killed worker's successor goes on instead of
paying twice.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from store.kit.json import Json
from store.records.record import Record
from workers.generators.calls import NoResponse
from workers.verifiers.replies import Reply, Verifier

UNANSWERED = 3  # requests in a row without an answer, after which the verifier counts as away
CHECK_SECONDS = 0.5  # between two checks whether the work must stop
KEEP_SECONDS = 10.0  # between two states that are left on the shard


@dataclass(slots=True)
class State:
    """What a check has so far."""

    scores: dict[str, float | None] = field(default_factory=dict)
    """By content; None for one that was asked about in vain."""
    counts: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> Json:
        """As a later attempt reads it."""
        return {"scores": self.scores, "counts": dict(self.counts)}

    @classmethod
    def from_json(cls, value: Json) -> "State":
        """The inverse of to_json."""
        return cls(dict(value["scores"]), Counter(value["counts"]))


@dataclass(slots=True)
class Checking:
    """Questions about records to one verifier."""

    verifier: Verifier
    concurrency: int
    state: State
    may_ask: Callable[[State], bool]
    """Whether the budget allows another request."""
    step: Callable[[], None]
    """Called all the time; raises when the work must stop."""
    keep: Callable[[State], None]
    unanswered: int = 0

    def run(self, records: Sequence[Record]) -> None:
        """Score those that have no score yet; raises NoResponse, and what `step` raises."""
        left = [record for record in records if record.content_hash not in self.state.scores]
        size = self.verifier.batch
        batches = [left[at : at + size] for at in range(0, len(left), size)]
        threads = ThreadPoolExecutor(self.concurrency, "check")
        try:
            self._run(threads, batches[::-1])
        except NoResponse:
            self.keep(self.state)  # paid for already
            raise
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # who is asked to stop waits for no answer

    def _run(self, threads: ThreadPoolExecutor, batches: list[list[Record]]) -> None:
        kept = time.monotonic()
        running: dict[Future[Reply], list[Record]] = {}
        while running or (batches and self.may_ask(self.state)):
            while batches and len(running) < self.concurrency and self.may_ask(self.state):
                batch = batches.pop()
                running[threads.submit(self.verifier.scores, batch)] = batch
            done, _ = wait(running, CHECK_SECONDS, FIRST_COMPLETED)
            for future in done:
                self._take(future, running.pop(future))
            self.step()
            if time.monotonic() - kept > KEEP_SECONDS:
                self.keep(self.state)
                kept = time.monotonic()

    def _take(self, future: Future[Any], batch: list[Record]) -> None:
        try:
            reply: Reply = future.result()
        except NoResponse:
            self.state.counts["unanswered"] += 1
            self.unanswered += 1
            if self.unanswered >= UNANSWERED:
                raise
            reply = Reply([None] * len(batch))
        else:
            self.unanswered = 0
        self.state.counts.update(reply.counts)
        for record, score in zip(batch, reply.scores, strict=True):
            self.state.scores[record.content_hash] = score
