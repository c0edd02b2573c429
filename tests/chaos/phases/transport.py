"""The last phase: reads what the shards stored, and makes one hash of it, in order."""

import hashlib
from collections.abc import Iterable

import orjson

from store.errors import ArtifactCorrupt, DamagedInput
from store.jobs import shards
from store.jobs.results import Result
from store.results import items as selected
from workers.process.work import Outcome, Work


def total(digests: Iterable[str]) -> str:
    """The result's hash."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def run(work: Work) -> Outcome:
    """All digests in the order of the shards."""
    with work.context.database.transaction() as session:
        parts = shards.of_phase(session, work.claim.job_id, "features")
    digests: list[str] = []
    damaged: list[str] = []
    for part in parts:
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
    return Outcome(job_result=Result.model_validate(found))
