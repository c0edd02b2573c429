"""What a selection will cost, before it starts: from the pace that was measured, or else from a formula.

tokens   = bytes of text / 4, from the footers of the stored files (about right for English; not a tokenizer)
features = rows x measured seconds per row of the tenant's last shards with the model and the kind of features
           (store/jobs/pace.py); nothing measured yet: tokens x 4 x parameters / 5e10 per second, which is
           forward and backward without gradients of weights (2 x: forward alone, for hidden states; the
           constant is ours, from the logged runs of the default model); to all of it the sketches, whose
           numbers are drawn once a block of rows and multiplied with once a row
lengths  = the same of the first rows of the first file, row by row
bytes    = sketches: of the features worker, beside the model; matrix: of the select worker; features: on disk
transport = rows x measured seconds per candidate of the tenant's last selections, or 1e-4 s

With checkpoints all rows are computed at each of them, and a row is as wide as theirs together.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow.parquet as pq
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import OnLong
from store.artifacts import Artifacts
from store.data import pools
from store.jobs import pace
from store.jobs.plans import FeaturePart
from store.jobs.requests import SelectionWork
from store.kit.json import Json
from store.tables.jobs import Job, Shard
from store.tables.states import ShardState

BYTES_PER_TOKEN = 4
FORWARD_FLOPS = 2  # of each parameter and token
GRADIENT_FLOPS = 4  # forward, and backward to what the weights are multiplied with
FLOPS_PER_SECOND = 5e10
DRAWS_PER_SECOND = 1e8  # numbers of a sketch; one core, torch's Gaussian
NUMBER_BYTES = 4  # of a feature while it is computed with
STORED_BYTES = 2  # of one on disk
TRANSPORT_SECONDS = 1e-4  # of each candidate
UNSTATED_PARAMETERS = 135_000_000  # of a model whose size the operator's list leaves out
REMEMBERED = 8  # selections that the pace of the last phase is taken of
TEXT = ("prompt", "messages", "completion")
SAMPLE = 512  # rows whose lengths are told, or fewer of about so many bytes
SAMPLE_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of the first rows of the pool, in tokens."""

    rows: int
    up_to: dict[str, int]
    longest: int
    max_length: int | None
    longer: int | None
    on_long: OnLong


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a selection, before it starts."""

    rows: int
    tokens: int
    shards: int
    seconds: dict[str, float]
    """Of one worker, by phase."""
    bytes: dict[str, int]
    """Memory for sketches and matrix, disk for features."""
    lengths: Lengths | None
    basis: Literal["measured", "formula"]
    """Of the seconds of phase features."""


def of_selection(
    session: Session, artifacts: Artifacts, job: Job, parameters: int, *, block_rows: int
) -> Cost:
    """What the job will cost; nothing of it is computed."""
    shards = session.scalars(select(Shard).where(Shard.job_id == job.id)).all()
    features = [shard for shard in shards if shard.phase == "features"]
    parts = [FeaturePart.model_validate(shard.payload) for shard in features]
    computed = sum(shard.rows_total for shard in features)  # at all checkpoints
    models = len({part.checkpoint for part in parts})
    rows = computed // models if features else sum(shard.rows_total for shard in shards)
    paths = {part.artifact for part in parts}
    tokens = sum(text_bytes(artifacts, path) for path in sorted(paths)) // BYTES_PER_TOKEN
    asked = SelectionWork.of(job.request, job.id)
    pool = [part.artifact for part in parts if part.role == "pool"]
    if asked.features.funnel is not None:
        pool, more = _behind(session, artifacts, job.tenant_id, asked)
        rows, tokens, computed = rows + more.rows, tokens + more.tokens, computed + more.rows * models
    measured = pace.seconds_per_row(session, job.tenant_id, asked)
    each = GRADIENT_FLOPS if asked.features.gradients else FORWARD_FLOPS
    work = tokens * models * each * (parameters or UNSTATED_PARAMETERS) / FLOPS_PER_SECOND
    seconds = work if measured is None else computed * measured
    mixed = _mixed(asked.features)
    return Cost(
        rows=rows,
        tokens=tokens,
        shards=len(shards),
        seconds={
            "features": round(seconds + _sketching(mixed, computed, block_rows), 1),
            "transport": round(rows * _transport_pace(session, job.tenant_id), 1),
        },
        bytes=_bytes(asked.features, rows * max(models, 1)),
        lengths=_lengths(artifacts, pool[:1], asked.features),
        basis="formula" if measured is None else "measured",
    )


@dataclass(frozen=True, slots=True)
class _Behind:
    """Of the candidates that go through the funnel, about."""

    rows: int
    tokens: int


def _behind(
    session: Session, artifacts: Artifacts, tenant_id: str, asked: SelectionWork
) -> tuple[list[str], _Behind]:
    """The files of the pool, and what of it features will be computed of."""
    assert asked.features.funnel is not None
    pool = pools.get(session, tenant_id, asked.pool_id)
    sources = pools.sources(session, pool, asked.pool_version)
    candidates = sum(source.rows for source in sources)
    rows = asked.features.funnel.going_on(candidates)
    paths = [source.artifact for source in sources]
    whole = sum(text_bytes(artifacts, path) for path in sorted({*paths})) // BYTES_PER_TOKEN
    return paths, _Behind(rows, whole * rows // candidates)


def _mixed(spec: FeatureSpec) -> int:
    """Numbers of the mixing matrices of all modules together, at most; 0 where no gradient is sketched."""
    return spec.sketch_in * spec.sketch_out * spec.dim if spec.gradients else 0


def _sketching(mixed: int, rows: int, block_rows: int) -> float:
    """Seconds to draw the matrices, once a block and twice for the agreement, and to multiply by them."""
    draws = -(-rows // block_rows) + 2
    return mixed * (draws / DRAWS_PER_SECOND + 2 * rows / FLOPS_PER_SECOND)


def _bytes(spec: FeatureSpec, rows: int) -> dict[str, int]:
    """Of gradients, at most: a model with few modules takes less. Hidden states add what the model says.

    ``rows``: at all checkpoints.
    """
    mixed = _mixed(spec)
    numbers = rows * spec.dim if mixed else 0
    return {
        "sketches": mixed * NUMBER_BYTES,
        "features": numbers * STORED_BYTES,
        "matrix": numbers * NUMBER_BYTES,
    }


def text_bytes(artifacts: Artifacts, path: str, columns: Sequence[str] = TEXT) -> int:
    """Bytes of the texts in these columns of a stored file, from its footer."""
    with artifacts.open(path) as stream:
        metadata = pq.ParquetFile(stream).metadata
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return sum(
        group.column(column).total_uncompressed_size
        for group in groups
        for column in range(group.num_columns)
        if group.column(column).path_in_schema.partition(".")[0] in columns
    )


def _lengths(artifacts: Artifacts, pool: Sequence[str], spec: FeatureSpec) -> Lengths | None:
    """Rows of the pool's first file by tokens, in powers of two; None where features were sent."""
    if not pool:
        return None
    with artifacts.open(pool[0]) as stream:
        file = pq.ParquetFile(stream)
        size = max(1, file.metadata.row_group(0).total_byte_size // file.metadata.row_group(0).num_rows)
        batch = next(file.iter_batches(max(1, min(SAMPLE, SAMPLE_BYTES // size)), columns=list(TEXT)))
    tokens = [_text_length(row) // BYTES_PER_TOKEN for row in batch.to_pylist()]
    most = spec.max_length
    return Lengths(
        rows=len(tokens),
        up_to=by_powers(tokens),
        longest=max(tokens, default=0),
        max_length=most,
        longer=None if most is None else sum(count > most for count in tokens),
        on_long=spec.on_long,
    )


def by_powers(tokens: Sequence[int]) -> dict[str, int]:
    """How many of the numbers lie up to each power of two and above the one before, from 64 on."""
    found: Counter[int] = Counter(max(64, 2 ** (count - 1).bit_length()) if count else 64 for count in tokens)
    return {str(most): found[most] for most in sorted(found)}


def _text_length(row: Json) -> int:
    """Bytes of a row's texts."""
    texts = [row["prompt"] or "", row["completion"], *(turn["content"] for turn in row["messages"] or ())]
    return sum(len(text.encode()) for text in texts)


def _transport_pace(session: Session, tenant_id: str) -> float:
    """Seconds per candidate of the last selections; a constant where there were none."""
    seconds = func.extract("epoch", Shard.finished_at - Shard.started_at)
    last = (
        select(seconds.label("seconds"), Shard.rows_total.label("rows"))
        .where(Shard.tenant_id == tenant_id, Shard.phase == "transport", Shard.state == ShardState.DONE)
        .order_by(Shard.finished_at.desc())
        .limit(REMEMBERED)
        .subquery()
    )
    spent, rows = session.execute(select(func.sum(last.c.seconds), func.sum(last.c.rows))).one()
    return float(spent) / float(rows) if spent and rows else TRANSPORT_SECONDS
