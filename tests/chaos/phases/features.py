"""A body that is cheap and otherwise like the real one: reads records, works in steps, stores a file."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from store.artifacts import Artifact, Artifacts
from store.data import feature_blocks
from store.jobs.results import Result
from store.records import record as records
from workers.process.work import Outcome, Work

STEP_SECONDS = float(os.environ.get("CHAOS_STEP_SECONDS", "0.02"))
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "0"))  # hashes of a megabyte, for work that keeps a core busy
MEGABYTE = bytes(2**20)


def digest(content_hash: str) -> str:
    """What stands for the features of a record."""
    return hashlib.sha256(content_hash.encode()).hexdigest()


def digests(
    artifacts: Artifacts,
    payload: Mapping[str, Any],
    progress: Callable[[int], None],
    step: float,
    rounds: int,
) -> tuple[Artifact, int]:
    """Read the shard's records, work `rounds` and sleep `step` for each, store one digest a record."""
    table = artifacts.get_table(payload["artifact"], payload["sha256"])
    rows = records.from_table(table.slice(payload["start"], payload["stop"] - payload["start"]))
    found = []
    for done, row in enumerate(rows, start=1):
        time.sleep(step)
        for _ in range(rounds):
            hashlib.sha256(MEGABYTE).digest()
        found.append(digest(row.content_hash))
        progress(done)
    folder = payload["artifact"].split("/")[0]
    return artifacts.put_bytes(f"{folder}/features", orjson.dumps(found), ".json"), len(rows)


def run(work: Work) -> Outcome:
    """Load, work, save."""
    artifacts, tenant_id = work.context.artifacts, work.claim.tenant_id
    stored, rows = digests(artifacts, work.claim.payload, work.progress, STEP_SECONDS, ROUNDS)
    with work.context.database.transaction() as session:
        feature_blocks.remember(session, tenant_id, stored.sha256, rows=rows, artifact=stored)
    return Outcome(Result.model_validate({"artifact": stored.path, "sha256": stored.sha256}))
