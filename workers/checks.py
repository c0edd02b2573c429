"""What a pool's first shard finds out for the whole job: whether it fits, and how noisy the sketch is."""

import shutil
from pathlib import Path
from typing import Any

import orjson
import psutil

from evoselect.gradients.agreement import MIN_ROWS, two_seed_agreement
from evoselect.spec.features import FeatureSpec
from store import feature_blocks
from store.errors import Invalid
from store.records import Record
from workers import preflight
from workers.fingerprint import block_key, max_length, sketch_fingerprint
from workers.job_task import Work
from workers.models import LoadedModel
from workers.preflight import Prediction, TooLarge
from workers.tokenization import tokenize

SAMPLE = 32  # rows whose pairwise cosines are compared between two sketches: 496 pairs
PLENTY = 2**62  # bytes free on a store that does not say


def outlook(work: Work, loaded: LoadedModel, spec: FeatureSpec, rows: list[Record]) -> dict[str, Any]:
    """Two-seed agreement, and a prediction where the pool spans several shards; raises Invalid early.

    Kept beside the feature blocks under the same fingerprint, so that a cached pool costs nothing again.
    """
    tenant, database, artifacts = work.claim.tenant_id, work.context.database, work.context.artifacts
    key = f"{block_key(sketch_fingerprint(loaded, spec), rows, tenant)}-outlook-{spec.conditioning}"
    with database.transaction() as session:
        known = feature_blocks.find(session, tenant, key)
    if known is not None:
        kept: dict[str, Any] = orjson.loads(artifacts.get_bytes(known.path, known.sha256))
        return kept
    found: dict[str, Any] = {"two_seed_agreement": _agreement(loaded, spec, rows)}
    if len(rows) == work.context.settings.shard_rows:
        found["prediction"] = _prediction(work, loaded, spec, rows)
    stored = artifacts.put_bytes(f"{tenant}/features", orjson.dumps(found), ".json")
    with database.transaction() as session:
        feature_blocks.remember(session, tenant, key, 0, stored)
    return found


def _agreement(loaded: LoadedModel, spec: FeatureSpec, rows: list[Record]) -> float | None:
    """None where the sketch is no gradient's, or too few rows can be compared."""
    items = tokenize(rows[:SAMPLE], loaded.tokenizer, max_length(loaded, spec))
    examples = [item.example for item in items if item.example is not None]
    if spec.kind != "gradient" or len(examples) < MIN_ROWS:
        return None
    return round(two_seed_agreement(loaded.model, examples, spec), 4)


def _prediction(
    work: Work, loaded: LoadedModel, spec: FeatureSpec, rows: list[Record]
) -> dict[str, float | int]:
    """Needs of this shard, refused where this machine has less."""
    try:
        needs: Prediction = preflight.predict(rows, loaded, spec)
        available = psutil.virtual_memory().available + psutil.Process().memory_info().rss
        preflight.require(needs, ram_bytes=available, disk_bytes=_free_disk(work))
    except TooLarge as error:
        raise Invalid(str(error), code="does_not_fit") from error
    return {
        "rows": needs.rows,
        "tokens": needs.tokens,
        "seconds": round(needs.seconds, 2),
        "ram_bytes": needs.ram_bytes,
        "disk_bytes": needs.disk_bytes,
        "gpu_bytes": needs.gpu_bytes,
    }


def _free_disk(work: Work) -> int:
    artifacts = work.context.artifacts
    return shutil.disk_usage(Path(artifacts.root).anchor).free if artifacts.local else PLENTY
