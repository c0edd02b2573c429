"""Reads what the database and the artifact store say afterwards, and names every broken promise."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.errors import ArtifactCorrupt
from store.kit.json import Json
from store.session import Database
from store.tables.data import FeatureBlock
from store.tables.jobs import Event, Job, Outbox, Shard
from store.tables.states import JobStatus, ShardState
from store.upkeep import retention, sweeper

ALLOWED = {True: {JobStatus.COMPLETED, JobStatus.CANCELLED}, False: {JobStatus.COMPLETED}}


Answer = Callable[[Artifacts, Json], str]


def of_stand_ins(artifacts: Artifacts, result: Json) -> str:
    """As the stand-ins leave it."""
    return str(result.get("hash"))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that the API answered 202 for."""

    job_id: str
    expected: str
    """The hash that the serial run gives, as `answer` has it of the result."""
    cancelled: bool = False
    """Somebody asked it to stop."""
    answer: Answer = of_stand_ins


def breaks(database: Database, artifacts: Artifacts, accepted: list[Accepted]) -> list[str]:
    """One sentence for each invariant that does not hold."""
    found: list[str] = []
    with database.transaction() as session:
        for job in accepted:
            found += _of_job(session, artifacts, job)
        found += sweeper.impossible(session)
        if unsent := session.scalar(select(func.count()).select_from(Outbox)):
            found.append(f"{unsent} rings were never sent")
        stored = [(row.artifact, row.sha256) for row in session.scalars(select(FeatureBlock))]
    found += _damaged(artifacts, stored)
    retention.remove_orphans(database, artifacts, age_seconds=0.0)
    found += [f"orphan file {path}" for path in retention.orphans(database, artifacts, age_seconds=0.0)]
    found += _damaged(artifacts, stored)
    return found


def _of_job(session: Session, artifacts: Artifacts, accepted: Accepted) -> Iterator[str]:
    row = session.get(Job, accepted.job_id)
    if row is None:
        yield f"job {accepted.job_id} was accepted and is not there"
        return
    name = f"job {row.id}"
    if row.status not in ALLOWED[accepted.cancelled]:
        yield f"{name} ended as {row.status}: {row.error}"
    if row.status == JobStatus.COMPLETED:
        yield from _of_result(name, artifacts, row.result or {}, accepted)
    events = session.scalars(select(Event).where(Event.job_id == row.id).order_by(Event.sequence)).all()
    if [event.sequence for event in events] != list(range(1, row.last_event + 1)):
        yield f"{name} has a gap in its events"
    rows = session.scalars(select(Shard).where(Shard.job_id == row.id)).all()
    yield from _of_shards(name, rows, events, complete=row.status == JobStatus.COMPLETED)


def _of_result(name: str, artifacts: Artifacts, result: Json, accepted: Accepted) -> Iterator[str]:
    try:
        if accepted.answer(artifacts, result) != accepted.expected:
            yield f"{name} has another result than the serial run"
    except ArtifactCorrupt as error:
        yield f"{name} is complete, and of its result {error}"


def _of_shards(name: str, rows: Any, events: Any, *, complete: bool) -> Iterator[str]:
    """Tokens only grow, a commit carries the token of the last claim, and each shard has exactly one."""
    token: dict[tuple[str, int], int] = defaultdict(int)
    commits: dict[tuple[str, int], int] = defaultdict(int)
    for event in events:
        key = (event.data.get("phase"), event.data.get("index"))
        if event.type == "shard.claimed":
            if event.data["token"] <= token[key]:
                yield f"{name}: token {event.data['token']} of shard {key} after {token[key]}"
            token[key] = event.data["token"]
        elif event.type == "shard.done":
            commits[key] += 1
            if event.data["token"] != token[key]:
                yield f"{name}: shard {key} was committed by token {event.data['token']}, not {token[key]}"
        elif event.type == "shard.reopened":
            commits[key] -= 1
        elif event.type == "phase.started":  # its shards are new rows
            for index in event.data.get("shards", [0]):
                token.pop((event.data["phase"], index), None)
                commits.pop((event.data["phase"], index), None)
    for row in rows:
        key, count = (row.phase, row.index), commits[(row.phase, row.index)]
        if count != (row.state == ShardState.DONE):
            yield f"{name}: shard {key} is {row.state} with {count} accepted commits"
        if complete and row.state != ShardState.DONE:
            yield f"{name} is complete but its shard {key} is {row.state}"


def _damaged(artifacts: Artifacts, stored: list[tuple[str, str]]) -> Iterator[str]:
    for path, sha256 in stored:
        try:
            artifacts.get_bytes(path, sha256)
        except ArtifactCorrupt as error:
            yield str(error)
