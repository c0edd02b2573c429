"""One seeded run: jobs come in, faults happen, everything must end as if nothing had."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from random import Random

import httpx
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from store.kit.json import Json
from store.records import record as records
from store.tables.jobs import Event, Job, Outbox, Shard
from store.tables.states import TERMINAL, ShardState
from tests.chaos import faults, history
from tests.chaos.faults import KINDS, Loss
from tests.chaos.fleet import Fleet, Tenant
from tests.chaos.history import Accepted, Answer
from tests.chaos.large import faults as large_faults
from tests.chaos.phases.features import digest
from tests.chaos.phases.transport import total

BY_NAME = KINDS | large_faults.KINDS
JOBS = 3
CANCELLED_SHARE = 0.15
SUBMIT_SECONDS = 0.8  # jobs come in over this time
FAULT_SECONDS = 1.5  # faults happen over this time
END_SECONDS = 180.0  # later than this, a job has not ended; where processes starve, a minute is too little
ANSWER_SECONDS = 30.0


@dataclass
class Report:
    """What a run, or many of them, came to."""

    runs: int = 0
    breaks: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    killed_in: Counter[str] = field(default_factory=Counter)
    """How often a worker was killed that held a shard, by phase."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds from a kill to the next claim of the shard that was held."""
    paused_runs: int = 0
    """Runs during which this process was stopped; they are made again and count nowhere else."""
    breaks_of_paused_runs: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Count another report's runs as well."""
        self.runs += other.runs
        self.breaks += other.breaks
        self.faults += other.faults
        self.killed_in += other.killed_in
        self.recoveries += other.recoveries


def pick(seed: int, kinds: Sequence[str]) -> list[str]:
    """One to three faults for a seed."""
    rng = Random(seed)
    return [rng.choice(kinds) for _ in range(rng.randint(1, 3))]


@dataclass(frozen=True)
class Order:
    """What a tenant asks for, and the answer of the serial run."""

    body: Json
    expected: str
    answer: Answer = history.of_stand_ins


def ordered(fleet: Fleet, tenant: Tenant, rng: Random) -> Order:
    """A small selection of stand-ins."""
    wanted = [_record(rng) for _ in range(2)]
    candidates = [_record(rng) for _ in range(rng.randint(4, 8))]
    hashes = [records.parse_record(record).content_hash for record in (*wanted, *candidates)]
    return Order({"target": wanted, "candidates": candidates, "k": 2}, total(map(digest, hashes)))


Orders = Callable[[Fleet, Tenant, Random], Order]


def one_run(
    fleet: Fleet,
    seed: int,
    chosen: Sequence[str],
    report: Report,
    *,
    end_seconds: float = END_SECONDS,
    orders: Orders = ordered,
) -> None:
    """Run a seed with these faults, and add what came of it to the report."""
    accepted: list[Accepted] = []
    losses: list[Loss] = []
    threads = [
        threading.Thread(
            target=_submit, args=(fleet, Random(f"{seed}-job-{number}"), number, accepted, orders)
        )
        for number in range(JOBS)
    ]
    threads += [
        threading.Thread(target=_inflict, args=(fleet, Random(f"{seed}-fault-{n}"), kind, losses))
        for n, kind in enumerate(chosen)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    late = _wait_for_ends(fleet, accepted, end_seconds)
    found = [f"job {job_id} has not ended after {end_seconds:.0f} s" for job_id in late]
    if len(accepted) < JOBS:
        found.append(f"only {len(accepted)} of {JOBS} jobs were accepted")
    found += history.breaks(fleet.database, fleet.artifacts, accepted)
    found += fleet.complaints
    fleet.complaints.clear()
    report.runs += 1
    report.faults.update(chosen)
    report.killed_in.update(loss.phase for loss in losses)
    report.breaks += [f"seed {seed} ({', '.join(chosen)}): {sentence}" for sentence in found]
    report.recoveries += recoveries(fleet, losses)
    _forget(fleet)


def _inflict(fleet: Fleet, rng: Random, kind: str, losses: list[Loss]) -> None:
    time.sleep(rng.uniform(0.0, FAULT_SECONDS))
    losses += BY_NAME[kind](fleet, rng)


def _submit(fleet: Fleet, rng: Random, number: int, accepted: list[Accepted], orders: Orders) -> None:
    """POST until the answer is 202; the same Idempotency-Key makes that one job."""
    time.sleep(rng.uniform(0.0, SUBMIT_SECONDS))
    tenant = fleet.tenants[number % len(fleet.tenants)]
    order = orders(fleet, tenant, rng)
    job_id = _post_until_accepted(fleet, tenant, "/v1/selections", order.body, f"{rng.random()}")
    cancelled = rng.random() < CANCELLED_SHARE
    accepted.append(Accepted(job_id, order.expected, cancelled, order.answer))
    if cancelled:
        time.sleep(rng.random())
        post(fleet, tenant, f"/v1/selections/{job_id}/cancel", {}, {})


def _record(rng: Random) -> dict[str, str]:
    return {"prompt": f"{rng.random()}?", "completion": f"{rng.random()}"}


def _post_until_accepted(fleet: Fleet, tenant: Tenant, path: str, body: object, key: str) -> str:
    deadline = time.monotonic() + END_SECONDS
    while True:
        answer = post(fleet, tenant, path, body, {"Idempotency-Key": key})
        if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
            job_id: str = answer.json()["id"]
            return job_id
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} was not accepted: {answer and answer.text}")
        time.sleep(0.1)


def post(
    fleet: Fleet, tenant: Tenant, path: str, body: object, headers: dict[str, str]
) -> httpx.Response | None:
    """One request; None where no answer came."""
    try:
        headers = {"Authorization": f"Bearer {tenant.key}", **headers}
        return httpx.post(f"{fleet.url}{path}", json=body, headers=headers, timeout=ANSWER_SECONDS)
    except httpx.HTTPError:
        return None


def _wait_for_ends(fleet: Fleet, accepted: list[Accepted], seconds: float) -> list[str]:
    """The jobs that have not ended in time; waits for unsent rings too."""
    ids = [job.job_id for job in accepted]
    deadline = time.monotonic() + seconds
    open_jobs = ids
    while time.monotonic() < deadline:
        with suppress(OperationalError):  # a connection from before a restart
            open_jobs, pending = _pending(fleet, ids)
            if not (open_jobs or pending):
                break
        time.sleep(0.05)
    return open_jobs


def _pending(fleet: Fleet, ids: list[str]) -> tuple[list[str], bool]:
    """Jobs that go on, and whether a shard runs or a ring waits."""
    with fleet.database.transaction() as session:
        going = select(Job.id).where(Job.id.in_(ids), Job.status.not_in(TERMINAL))
        open_jobs = list(session.scalars(going))
        running = session.scalar(select(Shard.id).where(Shard.state == ShardState.RUNNING).limit(1))
        unsent = session.scalar(select(Outbox.id).limit(1))
    return open_jobs, running is not None or unsent is not None


def recoveries(fleet: Fleet, losses: list[Loss], event: str = "shard.claimed") -> Iterator[float]:
    """Seconds from each kill to the next claim (or the loss) of the shard that was held."""
    with fleet.database.transaction() as session:
        for loss in losses:
            place = (loss.phase, loss.index)
            told = session.scalars(
                select(Event).where(Event.job_id == loss.job_id, Event.type == event).order_by(Event.sequence)
            )
            after = (row.created_at.timestamp() - loss.killed_at for row in told if _place(row) == place)
            yield from islice((seconds for seconds in after if seconds > 0), 1)


def _place(event: Event) -> tuple[str, int]:
    return event.data["phase"], event.data["index"]


def _forget(fleet: Fleet) -> None:
    """The next run starts with no jobs, so that its checks see only its own."""
    with fleet.database.transaction() as session:
        session.execute(select(Job.id).with_for_update())  # a worker that still claims waits here
        for table in (Event, Shard):
            session.execute(delete(table))
        session.execute(delete(Job))


def default_kinds(*, fillable: bool = True) -> list[str]:
    """All of them, each as likely; without the one that needs a disk of its own where there is none."""
    return [kind for kind in faults.KINDS if fillable or kind != "disk_filled"]
