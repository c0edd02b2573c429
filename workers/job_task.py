"""A claimed shard: heartbeat, run the body, commit behind the fence, or say how it failed.

A body is load - compute - save: it gets a Work and returns an Outcome. Failures by type:
Cancelled          the shard stops, the job becomes cancelled
LostLease          nothing is written: another worker owns the shard
Leaving            the worker is asked to end, the shard goes back and counts no fault
DamagedInput       the shards whose results are damaged run again, then this phase
input errors       the job fails with the error's code and sentence
passing faults     the shard goes back and is tried again after a while, at most max_attempts times
anything else      the job fails with internal_error; the trace stands in the worker's log
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from evoselect.errors import EvoSelectError
from store import logs, shards
from store.errors import ArtifactCorrupt, Cancelled, DamagedInput, LostLease, StoreError
from store.settings import Settings
from store.shards import Claim
from workers.context import Context
from workers.pulse import Leaving, Pulse

logger = logging.getLogger(__name__)
PASSING_FAULTS = (OperationalError, OSError, ArtifactCorrupt)
RETRY_SECONDS = 0.5  # between two tries to write to a database that is away


@dataclass(frozen=True, slots=True)
class Work:
    """What a body works on."""

    claim: Claim
    context: Context
    progress: Callable[[int], None]
    """Call with the rows done after each small step; raises when the work must stop."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a body produced: its artifacts are stored, only rows remain to be written."""

    result: dict[str, Any]
    """Kept on the shard, for the next phase."""
    job_result: dict[str, Any] | None = None
    """Becomes the job's result, in the last phase."""
    save: Callable[[Session], None] = field(default=lambda session: None)
    """Writes further rows in the transaction that commits the shard."""


def see_through(ctx: Context, claim: Claim, body: Callable[[Work], Outcome]) -> None:
    """Run the body on a claimed shard and settle what came of it; every log line meanwhile names it."""
    with logs.about(tenant=claim.tenant_id, job=claim.job_id, shard=claim.shard_id, attempt=claim.attempt):
        _see_through(ctx, claim, body)


def _see_through(ctx: Context, claim: Claim, body: Callable[[Work], Outcome]) -> None:
    logger.info("shard %s: attempt %d of phase %s", claim.shard_id, claim.attempt, claim.phase)
    settings = ctx.settings
    pulse = Pulse(ctx.database, claim, settings)
    try:
        with pulse:
            write = _attempt(ctx, claim, body, pulse)
            _transact(ctx, write)
    except LostLease as error:
        logger.warning("%s; its result is dropped", error)


def _attempt(
    ctx: Context, claim: Claim, body: Callable[[Work], Outcome], pulse: Pulse
) -> Callable[[Session], None]:
    """Run the body; returns what is to be written in consequence."""
    settings = ctx.settings
    try:
        outcome = body(Work(claim, ctx, pulse.progress))
        pulse.check()
    except Cancelled:
        return lambda session: shards.stop(session, claim)
    except LostLease:
        raise
    except Leaving:
        return lambda session: shards.hand_back(session, claim)
    except DamagedInput as error:
        logger.warning("shard %s waits: %s", claim.shard_id, error)
        damaged = error.shard_ids
        return lambda session: shards.reopen(session, claim, damaged, max_attempts=settings.max_attempts)
    except PASSING_FAULTS as error:
        logger.exception("shard %s goes back after a passing fault", claim.shard_id)
        return partial(_release, claim, f"{type(error).__name__}: {error}"[:500], settings)
    except (EvoSelectError, StoreError) as error:
        return partial(_fail, claim, getattr(error, "code", "invalid_input"), str(error))
    except Exception as error:
        logger.exception("shard %s failed", claim.shard_id)
        what = f"{type(error).__name__} in phase {claim.phase}"
        return partial(
            _fail, claim, "internal_error", f"{what}: see the worker's log for shard {claim.shard_id}"
        )
    return partial(_commit, claim, outcome)


def _release(claim: Claim, reason: str, settings: Settings, session: Session) -> None:
    delay, attempts = settings.retry_delay, settings.max_attempts
    shards.release(session, claim, reason, retry_delay=delay, max_attempts=attempts)


def _fail(claim: Claim, code: str, detail: str, session: Session) -> None:
    shards.fail(session, claim, code, detail)


def _commit(claim: Claim, outcome: Outcome, session: Session) -> None:
    outcome.save(session)
    shards.commit(session, claim, outcome.result, outcome.job_result)


def _transact(ctx: Context, write: Callable[[Session], None]) -> None:
    """Write, waiting for a database that is away for a moment.

    A commit whose answer was lost may have counted: then the second try finds the token used up (LostLease).
    """
    deadline = time.monotonic() + ctx.settings.lease
    while True:
        try:
            with ctx.database.transaction() as session:
                write(session)
            return
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("the database is away, trying again: %s", error.orig)
            time.sleep(RETRY_SECONDS)
