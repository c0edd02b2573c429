"""A body that is cheap and otherwise like the real one: reads records, works in steps, stores a file."""

import hashlib
import os
import time

import orjson

from store import feature_blocks, records
from workers.job_task import Outcome, Work

STEP_SECONDS = float(os.environ.get("CHAOS_STEP_SECONDS", "0.02"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "0"))  # hashes of a megabyte, for work that keeps a core busy
MEGABYTE = bytes(2**20)


def digest(content_hash: str) -> str:
    """What stands for the features of a record."""
    return hashlib.sha256(content_hash.encode()).hexdigest()


def run(work: Work) -> Outcome:
    """One digest a record."""
    payload = work.claim.payload
    table = work.context.artifacts.get_table(payload["artifact"], payload["sha256"])
    rows = records.from_table(table.slice(payload["start"], payload["stop"] - payload["start"]))
    digests = []
    for done, row in enumerate(rows, start=1):
        time.sleep(STEP_SECONDS)
        for _ in range(ROUNDS):
            hashlib.sha256(MEGABYTE).digest()
        digests.append(digest(row.content_hash))
        work.progress(done)
    stored = work.context.artifacts.put_bytes(
        f"{work.claim.tenant_id}/features", orjson.dumps(digests), ".json"
    )
    with work.context.database.transaction() as session:
        feature_blocks.remember(session, work.claim.tenant_id, stored.sha256, len(rows), stored)
    return Outcome({"artifact": stored.path, "sha256": stored.sha256})
