"""Features of records that are made up, and the phase that computes them in place of a model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from store.artifacts import Artifact, Artifacts
from store.data import feature_blocks
from store.jobs.results import FeaturesResult
from store.records import record as records
from store.records.record import Record
from workers.features import row_files
from workers.features.block import FeatureBlock
from workers.features.block_files import to_bytes
from workers.features.fingerprint import block_key
from workers.features.known import Known
from workers.features.ordering import by_length
from workers.features.statuses import Statuses
from workers.process.work import Outcome, Work

WINDOW = 4_096  # rows that are put in order together


def left(
    artifacts: Artifacts,
    tenant: str,
    own: Sequence[Record],
    features: Callable[[Sequence[Record]], FeatureBlock],
    block_rows: int = WINDOW,
) -> dict[str, Any]:
    """The result of a feature shard: block by block, in the order of the rows' lengths."""
    order, blocks, known = by_length(own, WINDOW), [], []
    for start in range(0, len(own), block_rows):
        some = [own[row] for row in order[start : start + block_rows]]
        block = features(some)
        file = artifacts.put_bytes("features", to_bytes(block), ".safetensors")
        key = block_key(block.sketch, some, tenant)
        blocks.append({"key": key, "rows": len(some), "artifact": file.path, "sha256": file.sha256})
        known.append(Known(block.tokens, Statuses.of(block.status), block.sketch))
    rows = row_files.to_bytes(row_files.rows_of(known, order, WINDOW))
    file = artifacts.put_bytes("features", rows, ".safetensors")
    return {"blocks": blocks, "rows": file.reference().stored(), "outlook": {}}


def features(own: Sequence[Record], sketch: str = "s") -> FeatureBlock:
    """Of each record by its id alone; every 20th candidate repeats another, every 30th has none."""
    numbers = [int(record.id.removeprefix("target").removeprefix("pool")) for record in own]
    pool = own[0].id.startswith("pool")
    draws = [np.random.default_rng([pool, number - (number % 20 == 19)]) for number in numbers]
    values = np.stack([draw.normal(size=(2, 12)) + 0.5 for draw in draws]).astype(np.float32)
    values /= np.linalg.norm(values, axis=2, keepdims=True)
    status = ["non_finite" if pool and number % 30 == 7 else "ok" for number in numbers]
    norms, tokens = np.ones((len(own), 2), dtype=np.float32), np.array(numbers, dtype=np.int32) % 9 + 3
    return FeatureBlock(values, norms, norms[:, 0], tokens, status, sketch, {})  # type: ignore[arg-type]


def run(work: Work) -> Outcome:
    """Phase `features` of such records, whose blocks go to the cache as the real ones do."""
    payload = work.claim.payload
    table = work.context.artifacts.get_table(payload["artifact"], payload["sha256"])
    own = records.from_table(table.slice(payload["start"], payload["stop"] - payload["start"]))
    tenant = work.claim.tenant_id
    found = left(work.context.artifacts, tenant, own, features, work.context.settings.block_rows)
    with work.context.database.transaction() as session:
        for block in found["blocks"]:
            file = Artifact(block["artifact"], block["sha256"], 0)
            feature_blocks.remember(session, tenant, block["key"], rows=block["rows"], artifact=file)
    return Outcome(FeaturesResult.of(found))
