"""A claimed shard: heartbeat, run the phase, commit behind the fence, or say how it failed.

A phase is load - compute - save: it gets a Work and returns an Outcome. Failures by type:
Cancelled          the shard stops, the job becomes cancelled
LostLease          nothing is written: another worker owns the shard
Leaving            the worker is asked to end, the shard goes back and counts no fault
GivesWay           others wait, the shard goes back with its checkpoint and counts no fault
a full disk        the shard goes back, waits for space and counts no fault
DamagedInput       the shards whose results are damaged run again, then this phase
Wanted             other shards run first, then this phase starts anew
input errors       the job fails with the error's code and sentence
passing faults     the shard goes back and is tried again after a while, at most max_attempts times
memory is short    the job fails with out_of_memory; a passing fault where others had most of the memory
anything else      the job fails with internal_error, for an impossible result (workers.process.results)
                   too; the trace stands in the worker's log
"""

import logging
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from evoselect.errors import EvoSelectError
from store import disk
from store.errors import ArtifactCorrupt, Cancelled, DamagedInput, LostLease, StoreError
from store.jobs import claims, plans, shards
from store.jobs.claims import Claim
from store.settings import Settings
from workers.context import Context
from workers.process import results
from workers.process.heartbeat import GivesWay, Heartbeat, Held, Leaving
from workers.process.leaving import leaving
from workers.process.memory import Crowded, exhausted
from workers.process.work import Outcome, Work

logger = logging.getLogger(__name__)
PASSING_FAULTS = (OperationalError, OSError, ArtifactCorrupt, Crowded)
FULL_DISK_SECONDS = 5.0  # before a shard that met a full disk may be claimed again
SHORT_OF_MEMORY = "the memory of this worker did not suffice for a request of this size"
RETRY_SECONDS = 0.5  # between two tries to write to a database that is away


Settling = Callable[[Session], Claim | None]
"""Writes what came of a shard; returns the next one where it was taken along."""


def execute(
    ctx: Context, claim: Claim, run_phase: Callable[[Work], Outcome], heartbeat: Heartbeat
) -> Claim | None:
    """Run the phase on a claimed shard and settle what came of it.

    Returns the next shard where it was taken with the commit of this one. Raises LostLease where nothing was
    written, or where the answer of the commit was lost.
    """
    logger.info("shard %s: attempt %d of phase %s", claim.shard_id, claim.attempt, claim.phase)
    with heartbeat.of(claim) as held:
        settle = _attempt(ctx, claim, run_phase, held)
        try:
            return _transact(ctx, settle)
        except (LostLease, OperationalError):
            raise
        except Exception as error:
            return _transact(ctx, _after(error, claim, ctx.settings))


def _attempt(ctx: Context, claim: Claim, run_phase: Callable[[Work], Outcome], held: Held) -> Settling:
    """Run the phase; returns what is to be written in consequence."""
    try:
        held.check()
        outcome = run_phase(Work(claim, ctx, held.progress))
        results.finite(outcome.result.model_dump())
        results.finite(outcome.job_result and outcome.job_result.model_dump())
        held.check()
    except LostLease:
        raise
    except Exception as error:
        return _after(error, claim, ctx.settings)
    return partial(_commit, claim, outcome, ctx.settings)


def _after(error: Exception, claim: Claim, settings: Settings) -> Settling:
    """What is to be written after a fault of the phase, or of writing its result."""
    match error:
        case Cancelled():
            return partial(shards.stop, claim=claim)
        case Leaving():
            return partial(shards.hand_back, claim=claim)
        case GivesWay():
            return partial(shards.give_way, claim=claim)
        case DamagedInput():
            logger.warning("shard %s waits: %s", claim.shard_id, error)
            attempts = settings.max_attempts
            return partial(shards.reopen, claim=claim, shard_ids=error.shard_ids, max_attempts=attempts)
        case plans.Wanted():
            logger.info("shard %s waits: %s", claim.shard_id, error)
            return partial(shards.ask, claim=claim, wanted=error.plans)
        case EvoSelectError() | StoreError() if not isinstance(error, PASSING_FAULTS):
            return partial(_fail, claim, getattr(error, "code", "invalid_input"), str(error))
    if disk.is_short(settings):  # libraries say it in many ways
        return _waits_for_disk(claim, error)
    if isinstance(error, PASSING_FAULTS):
        logger.error("shard %s goes back after a passing fault", claim.shard_id, exc_info=error)
        return partial(_release, claim, f"{type(error).__name__}: {error}"[:500], settings)
    return _failed(error, claim)


def _failed(error: Exception, claim: Claim) -> Settling:
    logger.error("shard %s failed", claim.shard_id, exc_info=error)
    if exhausted(error):
        return partial(_fail, claim, "out_of_memory", f"{SHORT_OF_MEMORY} in phase {claim.phase}")
    what = f"{type(error).__name__} in phase {claim.phase}"
    return partial(_fail, claim, "internal_error", f"{what}: see the worker's log for shard {claim.shard_id}")


def others_wait(work: Work) -> bool:
    """Whether others have waited for a worker for longer than an idle one takes to notice."""
    with work.context.database.transaction() as session:
        return claims.others_wait(session, work.claim, work.context.settings.poll_seconds)


def _waits_for_disk(claim: Claim, error: Exception) -> Settling:
    logger.warning("shard %s waits for space on the disk: %s", claim.shard_id, error)
    reason = f"the disk is full: {type(error).__name__}: {error}"[:500]
    return partial(shards.wait_for_disk, claim=claim, reason=reason, delay_seconds=FULL_DISK_SECONDS)


def _release(claim: Claim, reason: str, settings: Settings, session: Session) -> None:
    delay, attempts = settings.retry_delay_seconds, settings.max_attempts
    shards.release(session, claim, reason, retry_delay_seconds=delay, max_attempts=attempts)


def _fail(claim: Claim, code: str, detail: str, session: Session) -> None:
    shards.fail(session, claim, code, detail)


def _commit(claim: Claim, outcome: Outcome, settings: Settings, session: Session) -> Claim | None:
    outcome.save(session)
    go_on = not (leaving.is_set() or disk.is_short(settings))
    found = None if outcome.job_result is None else outcome.job_result.stored()
    return shards.commit(session, claim, outcome.result.stored(), found, go_on=go_on)


def _transact(ctx: Context, write: Settling) -> Claim | None:
    """Write, waiting for a database that is away for a moment.

    A commit whose answer was lost may have counted: then the second try finds the token used up (LostLease).
    """
    deadline = time.monotonic() + ctx.settings.lease_seconds
    while True:
        try:
            with ctx.database.transaction() as session:
                return write(session)
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("the database is away, trying again: %s", error.orig)
            time.sleep(RETRY_SECONDS)
