"""The heartbeat of a claimed shard, in a thread and a connection of its own."""

import logging
import threading
import time
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from store import shards
from store.errors import Cancelled, LostLease
from store.session import Database
from store.shards import Claim

logger = logging.getLogger(__name__)


class Pulse:
    """Renews the lease while the body runs, and tells it through `progress` when to stop."""

    def __init__(self, database: Database, claim: Claim, *, lease: float, every: float) -> None:
        self.claim = claim
        self._database = database
        self._lease = lease
        self._every = every
        self._rows_done = 0
        self._stop: Cancelled | LostLease | None = None
        self._ended = threading.Event()
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"pulse-{claim.shard_id}", daemon=True)

    def progress(self, rows_done: int) -> None:
        """Report rows done; raises Cancelled or LostLease when the work must stop."""
        self._rows_done = rows_done
        self.check()

    def check(self) -> None:
        """Raise Cancelled or LostLease when the work must stop."""
        if self._stop is not None:
            raise self._stop

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._every) and self._stop is None:
            try:
                self._once()
            except SQLAlchemyError as error:
                logger.warning("heartbeat of shard %s failed: %s", self.claim.shard_id, error)
                if time.monotonic() - self._renewed > self._lease:
                    self._stop = LostLease(f"shard {self.claim.shard_id}: no heartbeat reached the database")

    def _once(self) -> None:
        with self._database.transaction() as session:
            answer = shards.heartbeat(session, self.claim, lease=self._lease, rows_done=self._rows_done)
        self._renewed = time.monotonic()
        if not answer.ours:
            self._stop = LostLease(f"shard {self.claim.shard_id} was taken by another worker")
        elif answer.cancel_requested:
            self._stop = Cancelled(f"job {self.claim.job_id} was asked to stop")
