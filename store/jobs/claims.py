"""Claims: which shard a worker takes, and the token that it takes it with.

Tenants take turns shard by shard in every queue; of one tenant's shards priority, then age of the job decide.
A worker takes its next shard either alone (`claim`), or, where it is still the same job's turn, in the
transaction that commits its last one (`go_on`), for which the job's row is locked already.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from store.artifacts import StoredFile
from store.jobs import lifecycle as jobs
from store.jobs import plans
from store.kit.json import Json
from store.tables.states import TERMINAL, JobStatus


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker would work on, and as who."""

    queue: str
    phases: tuple[str, ...]
    """Those it knows; shards of others, or of a later payload version, are left to a later release."""
    worker: str
    lease_seconds: float
    waited_seconds: float = 0.0
    """Take only what has waited for so long."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker holds: the shard, its work, and the token that fences its writes."""

    shard_id: str
    job_id: str
    tenant_id: str
    phase: str
    token: int
    attempt: int
    payload: Json
    request: Json
    traceparent: str | None
    """Of the request that made the job."""
    offer: Offer
    """That it was taken by."""
    checkpoint: StoredFile | None = None
    """What an earlier attempt left to go on from, see `shards.save_checkpoint`."""


# Of the tenant that this queue served longest ago, the job of highest priority, then the oldest.
_TURN = """
    select waiting.job_id from turns cross join lateral (
        select job_id from shards
        where queue = turns.queue and tenant_id = turns.tenant_id and state = 'ready'
            and version <= :version and phase = any(:phases)
            and available_at <= clock_timestamp() - cast(:waited as interval)
        order by priority desc, job_id, index limit 1
    ) waiting
    where turns.queue = :queue order by turns.served_at, turns.tenant_id limit 1
"""

_PICK = text(f"""
select id, tenant_id, status, cancel_requested, request, traceparent from jobs where id = ({_TURN}) for update
""")

# The job's row is locked, so its first waiting shard cannot be taken meanwhile.
_TAKE = """
with waiting as (
    select id from shards
    where job_id = :job_id and queue = :queue and state = 'ready' and version <= :version
        and phase = any(:phases) and available_at <= clock_timestamp() and {condition}
    order by index limit 1
), taken as (
    update shards set state = 'running', worker = :worker, token = token + 1, attempt = attempt + 1,
        lease_until = clock_timestamp() + cast(:lease as interval),
        started_at = coalesce(started_at, clock_timestamp())
    from waiting where shards.id = waiting.id
    returning shards.id, phase, index, token, attempt, worker, payload, checkpoint
), served as (
    update turns set served_at = clock_timestamp()
    where queue = :queue and tenant_id = :tenant_id and exists (select from taken)
), numbered as (
    update jobs set last_event = last_event + 1 from taken where jobs.id = :job_id returning last_event
), told as (
    insert into events (job_id, sequence, type, data)
    select :job_id, numbered.last_event, 'shard.claimed', jsonb_build_object(
        'phase', phase, 'index', index, 'attempt', attempt, 'token', token, 'worker', worker)
    from numbered, taken
)
select id, phase, token, attempt, payload, checkpoint from taken
"""
_TAKE_FIRST = text(_TAKE.format(condition="true"))
_TAKE_IN_TURN = text(_TAKE.format(condition=f":job_id = ({_TURN})"))

_SERVED = text("""
update turns set served_at = clock_timestamp() where queue = :queue and tenant_id = :tenant_id
""")

_OTHERS = text("""
select exists (
    select from shards own join shards other on other.queue = own.queue
    where own.id = :shard_id and other.state = 'ready'
        and other.version <= :version and other.phase = any(:phases)
        and other.available_at <= clock_timestamp() - cast(:waited as interval)
        and (other.tenant_id <> own.tenant_id or other.priority > own.priority))
""")


def claim(session: Session, offer: Offer) -> Claim | None:
    """Take the shard whose turn it is in the queue; None when none waits (for so long).

    Token and attempt grow with every claim.
    """
    while job := session.execute(_PICK, _place(offer)).one_or_none():
        if job.cancel_requested or job.status in TERMINAL:
            jobs.cancel_waiting_shards(session, job.id)  # only a row edited by hand gets here
            continue
        if job.status == JobStatus.QUEUED:
            jobs.transition(session, jobs.lock(session, job.id), JobStatus.RUNNING)
            session.flush()
        names = {"job_id": job.id, "tenant_id": job.tenant_id}
        taken = session.execute(_TAKE_FIRST, {**_place(offer), **names}).one_or_none()
        if taken is None:
            continue  # another worker took it while we waited for the lock
        return Claim(
            taken.id,
            job.id,
            job.tenant_id,
            taken.phase,
            taken.token,
            taken.attempt,
            taken.payload,
            job.request,
            job.traceparent,
            offer,
            _left(taken.checkpoint),
        )
    return None


def go_on(session: Session, last: Claim) -> Claim | None:
    """Take the next shard of the last one's job, where it is its turn; the caller holds the job's lock.

    Of another job nothing is taken here: whoever locks one job after another can lock himself out.
    """
    names = {"job_id": last.job_id, "tenant_id": last.tenant_id}
    taken = session.execute(_TAKE_IN_TURN, {**_place(last.offer), **names}).one_or_none()
    if taken is None:
        return None
    return replace(
        last,
        shard_id=taken.id,
        phase=taken.phase,
        token=taken.token,
        attempt=taken.attempt,
        payload=taken.payload,
        checkpoint=_left(taken.checkpoint),
    )


def _left(checkpoint: Json | None) -> StoredFile | None:
    return None if checkpoint is None else StoredFile.model_validate(checkpoint)


def others_wait(session: Session, claim: Claim, waited_seconds: float) -> bool:
    """Whether shards that come before this one have waited so long: of other tenants, or more urgent ones."""
    place = {**_place(replace(claim.offer, waited_seconds=waited_seconds)), "shard_id": claim.shard_id}
    return bool(session.scalar(_OTHERS, place))


def served(session: Session, queue: str, tenant_id: str) -> None:
    """The tenant was served until now: its turn comes after those of all others."""
    names = {"queue": queue, "tenant_id": tenant_id}
    session.execute(_SERVED, names)


def _place(offer: Offer) -> dict[str, object]:
    return {
        "queue": offer.queue,
        "phases": list(offer.phases),
        "version": plans.PAYLOAD_VERSION,
        "waited": timedelta(seconds=offer.waited_seconds),
        "worker": offer.worker,
        "lease": timedelta(seconds=offer.lease_seconds),
    }
