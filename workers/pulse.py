"""The heartbeat of a claimed shard, in a thread and a connection of its own."""

import logging
import threading
import time
from contextlib import suppress
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from store import shards
from store.errors import Cancelled, LostLease
from store.session import Database
from store.settings import Settings
from store.shards import Claim
from workers.leaving import leaving

logger = logging.getLogger(__name__)
LOOK_SECONDS = 0.25  # between two looks whether the process is to end


class Leaving(Exception):
    """The worker is asked to end."""


class Pulse:
    """Renews the lease while the body runs, and tells it through `progress` when to stop."""

    def __init__(self, database: Database, claim: Claim, settings: Settings) -> None:
        self.claim = claim
        self._database = database
        self._settings = settings
        self._rows_done = 0
        self._stop: Cancelled | LostLease | Leaving | None = None
        self._ended = threading.Event()
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"pulse-{claim.shard_id}", daemon=True)

    def progress(self, rows_done: int) -> None:
        """Report rows done; raises Cancelled, LostLease or Leaving when the work must stop."""
        self._rows_done = rows_done
        self.check()

    def check(self) -> None:
        """Raise Cancelled, LostLease or Leaving when the work must stop."""
        if self._stop is not None:
            raise self._stop
        if leaving.is_set():
            raise Leaving

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        """Every heartbeat talk to the database; look more often whether the process is to end."""
        due = self._renewed + self._settings.heartbeat
        give_back_at: float | None = None
        while not self._ended.wait(min(self._settings.heartbeat, LOOK_SECONDS)) and self._stop is None:
            now = time.monotonic()
            if give_back_at is None and leaving.is_set():
                give_back_at = now + self._settings.shutdown
            try:
                if give_back_at is not None and now >= give_back_at:
                    self._give_back()
                elif now >= due:
                    due = now + self._settings.heartbeat
                    self._once()
            except SQLAlchemyError as error:
                self._missed(error)

    def _missed(self, error: SQLAlchemyError) -> None:
        logger.warning("heartbeat of shard %s failed: %s", self.claim.shard_id, error)
        if time.monotonic() - self._renewed > self._settings.lease:
            self._stop = LostLease(f"shard {self.claim.shard_id}: no heartbeat reached the database")

    def _once(self) -> None:
        with self._database.transaction() as session:
            answer = shards.heartbeat(
                session, self.claim, lease=self._settings.lease, rows_done=self._rows_done
            )
        self._renewed = time.monotonic()
        if not answer.ours:
            self._stop = LostLease(f"shard {self.claim.shard_id} was taken by another worker")
        elif answer.cancel_requested:
            self._stop = Cancelled(f"job {self.claim.job_id} was asked to stop")

    def _give_back(self) -> None:
        """The body did not stop in time: the shard goes back without it, and its result is fenced."""
        self._stop = LostLease(f"shard {self.claim.shard_id} was given back, the worker has to end")
        with suppress(LostLease), self._database.transaction() as session:
            shards.hand_back(session, self.claim)
