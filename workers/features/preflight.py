"""What a pool's first shard finds out for the whole job: whether it fits, and how noisy the sketch is."""

import os
import shutil
from dataclasses import asdict

import numpy as np
import orjson
import psutil
import pyarrow as pa

from evoselect.gradients.agreement import MIN_ROWS, two_seed_agreement
from evoselect.gradients.layers import choose_layers, coverage
from evoselect.spec.features import FeatureSpec
from store.data import feature_blocks
from store.errors import ArtifactCorrupt, Invalid
from store.jobs.plans import FeaturePart
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record
from workers.features.block import FeatureBlock
from workers.features.fingerprint import block_key, max_length, sketch_fingerprint
from workers.features.prediction import TooLarge, predict, require
from workers.models import adam_moments as moments
from workers.models.loading import LoadedModel
from workers.models.tokenization import tokenize
from workers.process import memory
from workers.process.work import Work

SAMPLE = 32  # rows whose pairwise cosines are compared between two sketches: 496 pairs
PREDICTED_ROWS = 512  # whose tokens are counted to predict those of the whole pool
PLENTY = 2**62  # bytes free on a store that does not say


def preflight(
    work: Work, loaded: LoadedModel, spec: FeatureSpec, *, batch: pa.Table, first: FeatureBlock | None
) -> Json:
    """Two-seed agreement on the pool's first batch, and the whole pool's needs; raises Invalid early.

    The needs are None where the first block came from the cache: there is no pace to predict by.
    """
    prediction = _prediction(work, loaded, spec, batch=batch, first=first) if first is not None else None
    return {
        "two_seed_agreement": _cached_agreement(work, loaded, spec, batch),
        "prediction": prediction,
        "modules": _modules(loaded, spec),
    }


def _modules(loaded: LoadedModel, spec: FeatureSpec) -> Json | None:
    """What the gradients see of the model; None where there are none, or only an adapter's."""
    if not spec.gradients or spec.precondition == "adam":
        return None
    seen = asdict(coverage(loaded.model, choose_layers(loaded.model, spec.layers, spec.modules)))
    return seen | {"share": round(seen["share"], 4)}


def _cached_agreement(work: Work, loaded: LoadedModel, spec: FeatureSpec, batch: pa.Table) -> float | None:
    """Kept beside the feature blocks, so that a cached pool costs nothing again.

    The rows are drawn from the whole batch: a shard's length follows the pace of the workers, and the same
    pool would have another agreement by the next job.
    """
    tenant, database, artifacts = work.claim.tenant_id, work.context.database, work.context.artifacts
    rows = records.from_table(batch.take(_evenly(batch.num_rows, SAMPLE)))
    key = f"{block_key(sketch_fingerprint(loaded, spec), rows, tenant)}-agreement-{spec.conditioning}"
    with database.transaction() as session:
        known = feature_blocks.find(session, tenant, key)
    if known is not None:
        try:
            kept: float | None = orjson.loads(artifacts.get_bytes(known.path, known.sha256))
            return kept
        except ArtifactCorrupt:
            with database.transaction() as session:
                feature_blocks.forget(session, tenant, key)
    found = agreement(loaded, spec, rows)
    stored = artifacts.put_bytes(f"{tenant}/features", orjson.dumps(found), ".json")
    with database.transaction() as session:
        feature_blocks.remember(session, tenant, key, rows=0, artifact=stored)
    return found


def agreement(loaded: LoadedModel, spec: FeatureSpec, rows: list[Record]) -> float | None:
    """Of SAMPLE rows under two seeds; None where the sketch is no gradient's or too few can be compared."""
    sample = [rows[row] for row in _evenly(len(rows), SAMPLE)]
    items = tokenize(sample, loaded, max_length(loaded, spec), spec.reading)
    examples = [item.example for item in items if item.example is not None]
    if spec.kind == "hidden" or len(examples) < MIN_ROWS:
        return None
    return round(two_seed_agreement(loaded.model, examples, spec, moments.read(loaded, spec)), 4)


def _prediction(
    work: Work, loaded: LoadedModel, spec: FeatureSpec, *, batch: pa.Table, first: FeatureBlock
) -> Json:
    """Needs of the whole pool, refused where this machine has less."""
    sample = records.from_table(batch.take(_evenly(batch.num_rows, PREDICTED_ROWS)))
    total = FeaturePart.model_validate(work.claim.payload).of * max(1, len(spec.checkpoints))
    needs = predict(sample, first, loaded, spec, rows=total)
    available = memory.available() + psutil.Process().memory_info().rss
    try:
        require(needs, ram_bytes=available, **_disk(work))
    except TooLarge as error:
        raise Invalid(str(error), code="does_not_fit") from error
    return asdict(needs) | {"seconds": round(needs.seconds, 2)}


def _evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of the first ``count`` whole numbers, evenly spaced."""
    found: list[int] = np.unique(
        np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64)
    ).tolist()
    return found


def _disk(work: Work) -> Json:
    """Bytes of the artifact store's disk less its reserve, and whether a selection's files lie there too."""
    artifacts, settings = work.context.artifacts, work.context.settings
    if not artifacts.local:
        return {"disk_bytes": PLENTY, "selects_there": False}
    root = artifacts.root or "/"
    found = shutil.disk_usage(root)
    reserve = int(settings.disk_reserve_share * found.total)
    here = settings.home.exists() and settings.home.stat().st_dev == os.stat(root).st_dev
    return {"disk_bytes": max(0, found.free - reserve), "selects_there": here}
