"""The last phase: asks for what shards answer, reads it, and makes one hash of it, in order."""

import hashlib
from collections.abc import Iterable
from functools import partial

import orjson
from sqlalchemy.orm import Session

from store.errors import ArtifactCorrupt, DamagedInput
from store.jobs import answers, plans, shards
from store.jobs.results import Result
from store.results import items as selected
from store.tables.jobs import Shard
from store.tables.states import ShardState
from workers.process.work import Outcome, Work


def total(digests: Iterable[str]) -> str:
    """The result's hash."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def run(work: Work) -> Outcome:
    """All digests in the order of the shards."""
    digests: list[str] = []
    damaged: list[str] = []
    for part in _answered(work):
        stored = part.result or {}
        try:
            digests += orjson.loads(work.context.artifacts.get_bytes(stored["artifact"], stored["sha256"]))
        except ArtifactCorrupt:
            damaged.append(part.id)
        work.progress(0)
    if damaged:
        raise DamagedInput(damaged)
    items = [{"rank": rank, "id": name} for rank, name in enumerate(digests, start=1)]
    kept = selected.put(work.context.artifacts, f"{work.claim.tenant_id}/items", items)
    found = {"hash": total(digests), "artifacts": {"items": kept.stored()}}
    return Outcome(job_result=Result.model_validate(found), save=partial(_let_go, work.claim.job_id))


def _answered(work: Work) -> list[Shard]:
    """Phase lists, done for what is stored now; raises Wanted with the shards of it that are not."""
    with work.context.database.transaction() as session:
        parts = shards.of_phase(session, work.claim.job_id, "features")
        held = {shard.index: shard for shard in shards.of_phase(session, work.claim.job_id, "lists")}
    wanted = []
    for index, part in enumerate(parts):
        payload = {"features": part.id, "sha256": (part.result or {}).get("sha256")}
        shard = held.get(index)
        if shard is None or shard.state != ShardState.DONE or shard.payload != payload:
            wanted.append(plans.ShardPlan("lists", index, part.rows_total, payload))
    if wanted:
        raise plans.Wanted(wanted)
    return [held[index] for index in range(len(parts))]


def _let_go(job_id: str, session: Session) -> None:
    answers.forget(session, job_id, ("lists",))
