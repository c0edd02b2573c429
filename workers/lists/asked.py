"""What the select worker has left for itself with the first questions to shards."""

from typing import Literal

from store.artifacts import StoredFile
from store.jobs import shards
from store.jobs.plans import ListedPart
from workers.process.work import Work

PHASES = ("sums", "lists")  # that it asks for


def asked_before(work: Work, what: Literal["copies", "seen"]) -> StoredFile | None:
    """What it found out then; None where it is here for the first time, or found nothing."""
    with work.context.database.transaction() as session:
        asked = [shard for phase in PHASES for shard in shards.of_phase(session, work.claim.job_id, phase)]
    parts = (ListedPart.model_validate(shard.payload) for shard in asked)
    return next((stored for part in parts if (stored := getattr(part, what)) is not None), None)
