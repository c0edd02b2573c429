"""Phase `features`: gradient features of a run of records, block by block, cached where they are known."""

import logging

from evoselect.spec.features import FeatureSpec
from store.artifacts import Artifact
from store.data import feature_blocks
from store.errors import ArtifactCorrupt, Invalid
from store.jobs.plans import FeaturePart
from store.jobs.requests import featured
from store.jobs.results import BatchCheck, Block, FeaturesResult, Pace
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record
from workers.features import batching, prediction, preflight, row_files
from workers.features.block import FeatureBlock
from workers.features.block_files import from_bytes, to_bytes
from workers.features.compute import compute_features
from workers.features.fingerprint import block_key, max_length, sketch_fingerprint
from workers.features.known import Known
from workers.features.ordering import by_length
from workers.features.statuses import Statuses
from workers.models.held import load_for
from workers.models.loading import LoadedModel
from workers.models.tokenization import tokenize
from workers.process.work import Outcome, Work
from workers.selections import budgets, eligibility

logger = logging.getLogger(__name__)


def run(work: Work) -> Outcome:
    """Compute or find every block of the shard; a block that is stored is never computed again."""
    part, settings = FeaturePart.model_validate(work.claim.payload), work.context.settings
    asked = featured(work.claim.request, work.claim.job_id)
    spec = asked.features
    artifacts, names = work.context.artifacts, records.SCHEMA.names
    own = range(part.start, part.stop)
    rows = records.from_table(artifacts.get_rows(part.artifact, part.sha256, own, names))
    if part.role == "pool":
        eligibility.of_low_quality(rows, asked.spec)  # before hours of work
    if _opens_the_pool(part):
        budgets.require_known(work, asked)
    loaded = load_for(work, asked.model_of(part.checkpoint), spec.dtype)
    require_cache(loaded, spec)
    prediction.require_memory(loaded, spec, rows=min(len(rows), settings.block_rows))
    if spec.on_bad_row == "reject":
        require_readable(rows, loaded, spec)
    order = by_length(rows, settings.window_rows)
    stored: list[Block] = []
    known: list[Known] = []
    spent = Pace(rows=0, seconds=0.0)
    found: Json = {}
    check: BatchCheck | None = None
    for start in range(0, len(order), settings.block_rows):
        some = [rows[row] for row in order[start : start + settings.block_rows]]
        entry, block = _block(work, loaded, spec, rows=some, done=start)
        stored.append(entry)
        known.append(Known(block.tokens, Statuses.of(block.status), block.sketch, block.shortened))
        if not entry.cached:
            spent, check = _with(spent, block), batching.settle(loaded, spec)
        if start == 0 and _opens_the_pool(part):
            whole = artifacts.get_table(part.artifact, part.sha256, names)
            first = None if entry.cached else block
            found = preflight.preflight(work, loaded, spec, batch=whole, first=first)
    left = row_files.to_bytes(row_files.rows_of(known, order, settings.window_rows))
    file = artifacts.put_bytes(f"{work.claim.tenant_id}/features", left, ".safetensors")
    return Outcome(
        FeaturesResult(blocks=stored, rows=file.reference(), pace=spent, outlook=found, check=check)
    )


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


def _with(pace: Pace, computed: FeatureBlock) -> Pace:
    seconds = computed.stats["seconds_tokenize"] + computed.stats["seconds_extract"]
    return Pace(rows=pace.rows + len(computed.status), seconds=round(pace.seconds + seconds, 3))


def _block(
    work: Work, loaded: LoadedModel, spec: FeatureSpec, *, rows: list[Record], done: int
) -> tuple[Block, FeatureBlock]:
    """Where the features of these rows lie, and they; `done` rows came before."""
    key = block_key(sketch_fingerprint(loaded, spec), rows, work.claim.tenant_id)
    intact = _find_intact(work, key)
    if intact is not None:
        stored, block = intact
    else:
        batching.settle(loaded, spec)
        block = compute_features(rows, loaded, spec, progress=lambda count: work.progress(done + count))
        folder = f"{work.claim.tenant_id}/features"
        stored = work.context.artifacts.put_bytes(folder, to_bytes(block), ".safetensors")
        with work.context.database.transaction() as session:
            feature_blocks.remember(session, work.claim.tenant_id, key, rows=len(rows), artifact=stored)
    work.progress(done + len(rows))
    entry = Block(
        key=key, artifact=stored.path, sha256=stored.sha256, rows=len(rows), cached=intact is not None
    )
    return entry, block


def _find_intact(work: Work, key: str) -> tuple[Artifact, FeatureBlock] | None:
    """The cached block of that key; one whose file is damaged is forgotten."""
    tenant = work.claim.tenant_id
    with work.context.database.transaction() as session:
        known = feature_blocks.find(session, tenant, key)
    if known is None:
        return None
    try:
        return known, from_bytes(work.context.artifacts.get_bytes(known.path, known.sha256))
    except ArtifactCorrupt:
        logger.warning("feature block %s is damaged and is computed again", known.path)
        with work.context.database.transaction() as session:
            feature_blocks.forget(session, tenant, key)
        return None
