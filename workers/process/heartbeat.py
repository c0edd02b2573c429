"""The heartbeat: one thread a process, with a connection of its own, for whatever the process works on."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError

from store.errors import Cancelled, LostLease
from store.jobs import shards
from store.jobs.claims import Claim
from store.session import Database
from store.settings import Settings
from workers.process.leaving import leaving

logger = logging.getLogger(__name__)
CHECK_SECONDS = 0.25  # between two checks whether the process is to end


class Leaving(Exception):
    """The worker is asked to end."""


class GivesWay(Exception):
    """The shard has kept what it needs to go on, and others wait."""


class Held:
    """A claimed shard under the heartbeat; tells the phase through `progress` when to stop."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.rows_done: int | None = None  # until the phase knows where an earlier attempt left off
        self.stop: Cancelled | LostLease | None = None
        self.renewed = self.asked = time.monotonic()
        self.give_back_at: float | None = None

    def progress(self, rows_done: int) -> None:
        """Report rows done; raises Cancelled, LostLease or Leaving when the work must stop."""
        self.rows_done = rows_done
        self.check()

    def check(self) -> None:
        """Raise Cancelled, LostLease or Leaving when the work must stop."""
        if self.stop is not None:
            raise self.stop
        if leaving.is_set():
            raise Leaving


class Heartbeat:
    """Renews the lease of the shard that the process holds, if it holds one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._held: Held | None = None
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    @contextmanager
    def of(self, claim: Claim) -> Iterator[Held]:
        """Keep the claim until the block ends; a beat that is still under way then is fenced."""
        if not self._thread.is_alive():
            self._thread.start()
        self._held = held = Held(claim)
        try:
            yield held
        finally:
            self._held = None

    def _beat(self) -> None:
        """Every heartbeat talk to the database; check more often whether the process is to end."""
        while True:
            time.sleep(min(self._settings.heartbeat_seconds, CHECK_SECONDS))
            held = self._held
            if held is not None and held.stop is None:
                self._attend(held)

    def _attend(self, held: Held) -> None:
        now = time.monotonic()
        if held.give_back_at is None and leaving.is_set():
            held.give_back_at = now + self._settings.shutdown_seconds
        try:
            if held.give_back_at is not None and now >= held.give_back_at:
                self._give_back(held)
            elif now >= held.asked + self._settings.heartbeat_seconds:
                held.asked = now
                self._once(held)
        except SQLAlchemyError as error:
            self._missed(held, error)

    def _missed(self, held: Held, error: SQLAlchemyError) -> None:
        logger.warning("heartbeat of shard %s failed: %s", held.claim.shard_id, error)
        if time.monotonic() - held.renewed > self._settings.lease_seconds:
            held.stop = LostLease(f"shard {held.claim.shard_id}: no heartbeat reached the database")

    def _once(self, held: Held) -> None:
        with self._database.transaction() as session:
            answer = shards.heartbeat(session, held.claim, rows_done=held.rows_done)
        held.renewed = time.monotonic()
        if not answer.ours:
            held.stop = LostLease(f"shard {held.claim.shard_id} was taken by another worker")
        elif answer.cancel_requested:
            held.stop = Cancelled(f"job {held.claim.job_id} was asked to stop")

    def _give_back(self, held: Held) -> None:
        """The phase did not stop in time: the shard goes back without it, and its result is fenced."""
        held.stop = LostLease(f"shard {held.claim.shard_id} was given back, the worker has to end")
        with suppress(LostLease), self._database.transaction() as session:
            shards.hand_back(session, held.claim)
