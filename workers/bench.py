"""Where a worker process works on shards, one at a time, rung or not.

A ring drains the queues in the main thread. A watch looks into the database every few seconds all the same,
so that a deaf broker costs latency and nothing else; it takes only what rings have left lying, and it sweeps
when nobody else has.
"""

import logging
import os
import random
import socket
import threading
from functools import lru_cache

from sqlalchemy.exc import OperationalError

from store import retention, shards, sweeper, uploads
from store.shards import Claim
from workers import alive
from workers.bodies import BODIES, run
from workers.context import Context, context
from workers.job_task import see_through
from workers.leaving import leaving

logger = logging.getLogger(__name__)
QUEUES_VARIABLE = "EVOSELECT_QUEUES"  # set by the parent, read by the children it spawns
JITTER = (0.8, 1.2)  # of the poll interval: many workers do not look at the same moment
HOURLY = 3600.0


class Bench:
    """The queues that this process serves."""

    def __init__(self, ctx: Context, queues: list[str]) -> None:
        self.context = ctx
        self.queues = queues
        self._busy = threading.Lock()
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def drain(self, waited: float = 0.0) -> int:
        """Work until nothing has waited for so many seconds, or the process is to end; returns how many."""
        done = 0
        with self._busy:
            while not leaving.is_set() and (claim := self._claim(waited)):
                see_through(self.context, claim, run)
                done += 1
        return done

    def hear(self) -> None:
        """A ring: work until nothing waits."""
        try:
            self.drain()
        except OperationalError as error:
            logger.warning("the database is away: %s", error.orig)  # the watch comes back to what waits

    def rest(self, seconds: float) -> None:
        """Wait for the watch to put down what it works on: celery knows only of what a ring has started."""
        self._busy.acquire(timeout=seconds)

    def watch(self) -> None:
        """Look at once, then every few seconds, until the process is to end."""
        poll = self.context.settings.poll
        self._look(waited=0.0)
        while not leaving.wait(poll * random.uniform(*JITTER)):
            self._look(waited=poll)

    def _look(self, waited: float) -> None:
        try:
            upkeep(self.context)
            alive.mark(self.context.settings, ",".join(self.queues))
            if not self._busy.locked():
                self.drain(waited)
        except OperationalError as error:
            logger.warning("the database is away: %s", error.orig)
        except Exception:
            logger.exception("a look into the database failed")  # the next one is due all the same

    def _claim(self, waited: float) -> Claim | None:
        lease = self.context.settings.lease
        for queue in self.queues:
            with self.context.database.transaction() as session:
                claim = shards.claim(
                    session, queue, phases=BODIES, worker=self._name, lease=lease, waited=waited
                )
            if claim is not None:
                return claim
        return None


def upkeep(ctx: Context) -> None:
    """Do the chores that are due and that no other process has begun."""
    settings = ctx.settings
    with ctx.database.transaction() as session:
        sweep = sweeper.due(session, "sweep", settings.sweep)
        tidy = sweeper.due(session, "tidy", HOURLY)
    if sweep:
        sweeper.sweep(ctx.database, settings)
    if tidy:
        retention.purge(ctx.database, settings.retention)
        with ctx.database.transaction() as session:
            uploads.expire(session)
        retention.remove_orphans(ctx.database, ctx.artifacts, settings.orphan_age)


@lru_cache(maxsize=1)
def bench() -> Bench:
    """The bench of this process."""
    queues = os.environ[QUEUES_VARIABLE].split(",")
    return Bench(context(), queues)
