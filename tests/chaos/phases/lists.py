"""What a shard answers about the file of another one: the same digests, in a file of its own."""

from store.errors import ArtifactCorrupt, DamagedInput
from store.jobs import shards
from store.jobs.results import Result
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Read what the feature shard stored, store it as an answer."""
    artifacts, shard_id = work.context.artifacts, work.claim.payload["features"]
    with work.context.database.transaction() as session:
        (part,) = shards.by_id(session, [shard_id])
        stored = dict(part.result or {})
    try:
        data = artifacts.get_bytes(stored["artifact"], stored["sha256"])
    except ArtifactCorrupt as error:
        raise DamagedInput([shard_id]) from error
    work.progress(0)
    found = artifacts.put_bytes(f"{work.claim.tenant_id}/lists", data, ".json")
    return Outcome(Result.model_validate({"artifact": found.path, "sha256": found.sha256}))
