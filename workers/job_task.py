"""One base task: claim, heartbeat, run the body, commit behind the fence, or say how it failed.

A body is load - compute - save: it gets a Work and returns an Outcome. Failures by type:
Cancelled          the shard stops, the job becomes cancelled
LostLease          nothing is written: another worker owns the shard
DamagedInput       the shards whose results are damaged run again, then this phase
input errors       the job fails with the error's code and sentence
passing faults     the shard goes back and is tried again, at most max_attempts times
anything else      the job fails with internal_error; the trace stands in the worker's log
"""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from celery import Task
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from evoselect.errors import EvoSelectError
from store import shards
from store.errors import ArtifactCorrupt, Cancelled, DamagedInput, LostLease, StoreError
from store.shards import Claim
from workers.context import Context, context
from workers.pulse import Pulse

logger = logging.getLogger(__name__)
PASSING_FAULTS = (OperationalError, OSError, ArtifactCorrupt)


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


class JobTask(Task):  # type: ignore[misc]  # celery has no types
    """Base of the tasks that work on shards."""

    abstract = True

    def see_through(self, shard_id: str, body: Callable[[Work], Outcome]) -> None:
        """Take the shard if it can be taken, run the body, settle what came of it."""
        ctx = context()
        claim = _claim(ctx, shard_id)
        if claim is None:
            logger.info("shard %s: nothing to take", shard_id)
            return
        logger.info("shard %s: attempt %d of phase %s", shard_id, claim.attempt, claim.phase)
        try:
            _settle(ctx, claim, body)
        except LostLease as error:
            logger.warning("%s; its result is dropped", error)


def _settle(ctx: Context, claim: Claim, body: Callable[[Work], Outcome]) -> None:
    try:
        outcome = _run_with_pulse(ctx, claim, body)
    except Cancelled:
        _transact(ctx, lambda session: shards.stop(session, claim))
    except LostLease:
        raise
    except DamagedInput as error:
        logger.warning("shard %s waits: %s", claim.shard_id, error)
        damaged = error.shard_ids
        _transact(ctx, lambda session: shards.reopen(session, claim, damaged))
    except PASSING_FAULTS as error:
        logger.exception("shard %s goes back after a passing fault", claim.shard_id)
        reason = f"{type(error).__name__}: {error}"[:500]
        _transact(ctx, lambda session: shards.release(session, claim, reason))
    except (EvoSelectError, StoreError) as error:
        code, detail = getattr(error, "code", "invalid_input"), str(error)
        _transact(ctx, lambda session: shards.fail(session, claim, code, detail))
    except Exception as error:
        logger.exception("shard %s failed", claim.shard_id)
        detail = (
            f"{type(error).__name__} in phase {claim.phase}: see the worker's log for shard {claim.shard_id}"
        )
        _transact(ctx, lambda session: shards.fail(session, claim, "internal_error", detail))
    else:
        _transact(ctx, lambda session: _commit(session, claim, outcome))


def _run_with_pulse(ctx: Context, claim: Claim, body: Callable[[Work], Outcome]) -> Outcome:
    with Pulse(ctx.database, claim, lease=ctx.settings.lease, every=ctx.settings.heartbeat) as pulse:
        outcome = body(Work(claim, ctx, pulse.progress))
        pulse.check()
        return outcome


def _claim(ctx: Context, shard_id: str) -> Claim | None:
    with ctx.database.transaction() as session:
        return shards.claim(
            session,
            shard_id,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            lease=ctx.settings.lease,
            max_attempts=ctx.settings.max_attempts,
        )


def _transact(ctx: Context, write: Callable[[Session], None]) -> None:
    with ctx.database.transaction() as session:
        write(session)


def _commit(session: Session, claim: Claim, outcome: Outcome) -> None:
    outcome.save(session)
    shards.commit(session, claim, outcome.result, outcome.job_result)
