"""What an attempt leaves to a later one: one stored file a shard, the one before deleted."""

from store.artifacts import Artifact
from store.jobs import shards
from workers.process.work import Work


def save_checkpoint(work: Work, stored: Artifact, name: str | None = None) -> None:
    """Name the file in the shard's row and delete the one before; raises LostLease where it is not ours."""
    with work.context.database.transaction() as session:
        before = shards.save_checkpoint(session, work.claim, stored.reference(name=name))
    if before and before.path != stored.path:
        work.context.artifacts.remove(before.path)
