"""Where a worker process works on shards, one at a time, notified or not.

A notification drains the queues in the main thread. A thread polls the database every few seconds all the
same, so that a deaf broker costs latency and nothing else; it takes only what notifications have left lying,
and it sweeps when nobody else has. Loops and comparisons that no ops worker advances are advanced then.
"""

import logging
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy.exc import OperationalError

from store import disk
from store.accounts import audit, idempotency
from store.comparisons import advance as comparisons
from store.data import uploads
from store.errors import LostLease
from store.jobs import claims, plans, shards
from store.jobs.claims import Claim, Offer
from store.loops import advance as loops
from store.telemetry import logs, traces
from store.upkeep import retention, sweeper
from workers import alive
from workers.context import Context, context
from workers.process import siblings
from workers.process.attempt import execute
from workers.process.heartbeat import Heartbeat
from workers.process.leaving import leaving
from workers.process.phases_by_name import PHASES, load, run

logger = logging.getLogger(__name__)
QUEUES_VARIABLE = "EVOSELECT_QUEUES"  # set by the parent, read by the children it spawns
JITTER = (0.8, 1.2)  # of the poll interval: many workers do not poll at the same moment
TIDY_SECONDS = 3600.0
# Two phases, so that a worker of a release that knows no comparisons leaves them to others.
ADVANCE = {"advance": loops.advance, "compare": comparisons.advance}


class Workplace:
    """The queues that this process serves."""

    def __init__(self, ctx: Context, queues: list[str]) -> None:
        self.context = ctx
        self.queues = queues
        self._busy = threading.Lock()
        self._heartbeat = Heartbeat(ctx.database, ctx.settings)
        self._name = siblings.own_name()
        self._short = False
        self._broken_off = True  # the last drain: then a shard may stand in our name that nobody works on

    def drain(self, waited_seconds: float = 0.0) -> int:
        """Work until nothing has waited for so long, or the process is to end; returns how many."""
        done, following = 0, None
        with self._busy:
            if self._broken_off:
                self._take_back()
            self._broken_off = True
            while claim := following or self._claim(waited_seconds):
                following = self._work_on(claim)
                done += 1
            self._broken_off = False
        return done

    def hear(self) -> None:
        """A notification: work until nothing waits."""
        try:
            self.drain()
        except OperationalError as error:
            logger.warning("the database is away: %s", error.orig)  # the next poll comes back to what waits

    def rest(self, seconds: float) -> None:
        """Wait for the polling thread to end its work: celery knows only what a notification started."""
        self._busy.acquire(timeout=seconds)

    def poll_until_leaving(self) -> None:
        """Poll at once, then every few seconds, until the process is to end."""
        poll = self.context.settings.poll_seconds
        self._poll(waited_seconds=0.0)
        threading.Thread(target=self._get_ready, name="ready", daemon=True).start()
        while not leaving.wait(poll * random.uniform(*JITTER)):
            self._poll(waited_seconds=poll)

    def _get_ready(self) -> None:
        """Load what the short phases of these queues need: the first shard of each would wait for it.

        A notification waits meanwhile, so no two threads import the same modules; a poll does not.
        """
        try:
            with self._busy:
                for _, phases in plans.places(self.queues, PHASES):
                    load(phases)
        except Exception:
            logger.exception("a phase could not be loaded")  # its first shard fails by the same, and says so

    def _poll(self, waited_seconds: float) -> None:
        try:
            upkeep(self.context)
            alive.mark(self.context.settings, ",".join(self.queues))
            if not self._busy.locked():
                self.drain(waited_seconds)
        except OperationalError as error:
            logger.warning("the database is away: %s", error.orig)
        except Exception:
            logger.exception("a poll of the database failed")  # the next one is due all the same

    def _claim(self, waited_seconds: float) -> Claim | None:
        if leaving.is_set() or self._lacks_disk():
            return None
        for queue, phases in plans.places(self.queues, PHASES):
            offer = Offer(queue, phases, self._name, self.context.settings.lease_seconds, waited_seconds)
            with self.context.database.transaction() as session:
                claim = claims.claim(session, offer)
            if claim is not None:
                return claim
        return None

    def _lacks_disk(self) -> bool:
        """Whether the disk is so full that nothing is begun: what waits goes on once there is room."""
        short = disk.is_short(self.context.settings)
        if short and not self._short:
            logger.error("less than the reserve of the disk is free: shards wait until room is made")
        self._short = short
        return short

    def _work_on(self, claim: Claim) -> Claim | None:
        """Execute a shard; returns the next one, where it was taken with the commit."""
        with _about(claim):
            try:
                return execute(self.context, claim, run, self._heartbeat)
            except LostLease as error:
                logger.warning("%s; its result is dropped", error)
        self._take_back()
        return None

    def _take_back(self) -> None:
        """What stands in our name though we work on nothing (an answer got lost); what dead siblings held."""
        with self.context.database.transaction() as session:
            sweeper.expire_leases(session, [self._name, *siblings.dead(session)])
        sweeper.take_back(self.context.database, max_attempts=self.context.settings.max_attempts)


def upkeep(ctx: Context) -> None:
    """Do the chores that are due and that no other process has begun."""
    settings = ctx.settings
    with ctx.database.transaction() as session:
        sweep = sweeper.due(session, "sweep", settings.sweep_seconds)
        tidy = sweeper.due(session, "tidy", TIDY_SECONDS)
    if sweep:
        sweeper.sweep(ctx.database, settings)
        _advance_overdue_loops(ctx)
    if tidy:
        retention.purge(ctx.database, settings.retention_seconds)
        with ctx.database.transaction() as session:
            uploads.expire(session)
            idempotency.forget(session)
            audit.forget(session, settings.audit_days)
        retention.remove_orphans(ctx.database, ctx.artifacts, settings.orphan_age_seconds)


def _advance_overdue_loops(ctx: Context) -> None:
    """Each in one transaction, so that no lease is held; one that raises is left to an ops worker."""
    settings = ctx.settings
    queue, worker = plans.QUEUE["advance"], siblings.own_name()
    offer = Offer(queue, tuple(ADVANCE), worker, settings.lease_seconds, waited_seconds=settings.poll_seconds)
    try:
        while _advance_one(ctx, offer):
            pass
    except Exception:
        logger.exception("a loop or comparison could not be advanced")


def _advance_one(ctx: Context, offer: Offer) -> bool:
    """Whether there was one to make."""
    with ctx.database.transaction() as session:
        claim = claims.claim(session, offer)
        if claim is None:
            return False
        with _about(claim):
            ADVANCE[claim.phase](session, ctx.settings, claim.job_id)
            shards.commit(session, claim, {})
        return True


@contextmanager
def _about(claim: Claim) -> Iterator[None]:
    """Log lines and spans of the block are about the shard."""
    names = {"tenant": claim.tenant_id, "job": claim.job_id, "shard": claim.shard_id}
    with (
        logs.about(**names, attempt=claim.attempt),
        traces.span(f"shard {claim.phase}", claim.traceparent, **names, attempt=claim.attempt),
    ):
        yield


@lru_cache(maxsize=1)
def workplace() -> Workplace:
    """The workplace of this process."""
    queues = os.environ[QUEUES_VARIABLE].split(",")
    return Workplace(context(), queues)
