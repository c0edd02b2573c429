"""What shards left, once nobody reads it any more: then no row names its files, and upkeep removes them."""

from collections.abc import Collection

from sqlalchemy import update
from sqlalchemy.orm import Session

from store.data import feature_blocks
from store.jobs import shards
from store.jobs.results import FeaturesResult
from store.tables.jobs import Shard


def forget(session: Session, job_id: str, phases: Collection[str]) -> None:
    """What the shards of these phases left, and what they were asked, is needed no more."""
    own = (Shard.job_id == job_id, Shard.phase.in_(phases))
    session.execute(update(Shard).where(*own).values(result={}, payload={}))


def forget_features(session: Session, job_id: str) -> None:
    """The features that the job computed are needed no more; those that it found are of earlier jobs."""
    for shard in shards.of_phase(session, job_id, "features"):
        found = FeaturesResult.of(shard.result or {"blocks": []})
        for block in found.blocks:
            if not block.cached:
                feature_blocks.forget(session, shard.tenant_id, block.key)
        shard.result = found.model_copy(update={"blocks": []}).stored()
