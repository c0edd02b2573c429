"""Phase `features`: gradient features of a run of records, block by block, cached where they are known."""

import logging
from collections.abc import Sequence

from evoselect.spec.features import FeatureSpec
from store.artifacts import Artifact
from store.data import feature_blocks
from store.errors import ArtifactCorrupt, Invalid
from store.jobs.plans import FeaturePart
from store.jobs.requests import SelectionWork
from store.jobs.results import Block, FeaturesResult, Pace
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record
from workers.features import prediction, preflight
from workers.features.block import FeatureBlock
from workers.features.block_files import to_bytes
from workers.features.compute import compute_features
from workers.features.fingerprint import block_key, max_length, sketch_fingerprint
from workers.features.ordering import by_length
from workers.models.held import load_for
from workers.models.loading import LoadedModel
from workers.models.tokenization import tokenize
from workers.process.work import Outcome, Work
from workers.selections import budgets, qualities

logger = logging.getLogger(__name__)


def run(work: Work) -> Outcome:
    """Compute or find every block of the shard; a block that is stored is never computed again."""
    part, settings = FeaturePart.model_validate(work.claim.payload), work.context.settings
    asked = work.asked(SelectionWork)
    spec = asked.features
    table = work.context.artifacts.get_table(part.artifact, part.sha256, records.SCHEMA.names)
    rows = records.from_table(table.slice(part.start, part.stop - part.start))
    if part.role == "pool":
        qualities.low(rows, asked.spec)  # before hours of work
    if _opens_the_pool(part):
        budgets.require_known(work, asked)
    loaded = load_for(work, asked.model_of(part.checkpoint), spec.dtype)
    require_cache(loaded, spec)
    prediction.require_memory(loaded, spec, rows=min(len(rows), settings.block_rows))
    if spec.on_bad_row == "reject":
        require_readable(rows, loaded, spec)
    ordered = [rows[row] for row in by_length(rows, settings.window_rows)]
    stored: list[Block] = []
    computed: list[FeatureBlock] = []
    found: Json = {}
    for start in range(0, len(ordered), settings.block_rows):
        own = ordered[start : start + settings.block_rows]
        entry, block = _block(work, loaded, spec, rows=own, done=start)
        stored.append(entry)
        if block is not None:
            computed.append(block)
        if start == 0 and _opens_the_pool(part):
            found = preflight.preflight(work, loaded, spec, batch=table, first=block)
    return Outcome(FeaturesResult(blocks=stored, pace=_pace(computed), outlook=found))


def require_cache(loaded: LoadedModel, spec: FeatureSpec) -> None:
    """Raises Invalid where prompts are to be a cache and the model's is more than keys and values."""
    if spec.gradients and spec.positions == "answer" and not loaded.caches:
        raise Invalid(
            f"model {loaded.alias!r} gives answers behind a cached prompt other losses than it gives them "
            "without, or keeps no such cache: set features.positions to all, or features.kind to hidden",
            code="no_prompt_cache",
        )


def require_readable(rows: list[Record], loaded: LoadedModel, spec: FeatureSpec) -> None:
    """The first record that the template refuses, with its words: a stored block knows only that it did."""
    for item in tokenize(rows, loaded, max_length(loaded, spec), spec.reading):
        if item.status == "template_mismatch":
            raise Invalid(f"{item.why}; leave it out, or set features.on_bad_row to skip", code="bad_rows")


def _opens_the_pool(part: FeaturePart) -> bool:
    """Whether this is the first shard of the first batch: the one that speaks for the whole pool."""
    return part.role == "pool" and part.first


def _pace(computed: Sequence[FeatureBlock]) -> Pace:
    seconds = sum(block.stats["seconds_tokenize"] + block.stats["seconds_extract"] for block in computed)
    return Pace(rows=sum(len(block.status) for block in computed), seconds=round(seconds, 3))


def _block(
    work: Work, loaded: LoadedModel, spec: FeatureSpec, *, rows: list[Record], done: int
) -> tuple[Block, FeatureBlock | None]:
    """Where the features of these rows lie, and they where they were computed; `done` rows came before."""
    key = block_key(sketch_fingerprint(loaded, spec), rows, work.claim.tenant_id)
    stored, block = _find_intact(work, key), None
    if stored is None:
        block = compute_features(rows, loaded, spec, progress=lambda count: work.progress(done + count))
        folder = f"{work.claim.tenant_id}/features"
        stored = work.context.artifacts.put_bytes(folder, to_bytes(block), ".safetensors")
        with work.context.database.transaction() as session:
            feature_blocks.remember(session, work.claim.tenant_id, key, rows=len(rows), artifact=stored)
    work.progress(done + len(rows))
    entry = Block(key=key, artifact=stored.path, sha256=stored.sha256, rows=len(rows), cached=block is None)
    return entry, block


def _find_intact(work: Work, key: str) -> Artifact | None:
    """The cached block of that key; one whose file is damaged is forgotten."""
    tenant = work.claim.tenant_id
    with work.context.database.transaction() as session:
        known = feature_blocks.find(session, tenant, key)
    if known is None:
        return None
    try:
        work.context.artifacts.get_bytes(known.path, known.sha256)
    except ArtifactCorrupt:
        logger.warning("feature block %s is damaged and is computed again", known.path)
        with work.context.database.transaction() as session:
            feature_blocks.forget(session, tenant, key)
        return None
    return known
