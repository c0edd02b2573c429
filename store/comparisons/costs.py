"""What the steps of a comparison will cost, before it starts: seconds of one worker.

features   as the estimates of selections (store/jobs/costs.py), once for each kind of features
train      tokens of the rows by the tenant's last trainings of the model (tokens a second); none yet: tokens
           x 6 x parameters / 7.5e10 a second, forward and backward
evaluate   examples by the tenant's last evaluations (seconds an example); none yet: tokens of prompts and of
           all their choices x 2 x parameters / 5e10 a second
To each job comes what a worker takes to begin one and to store what it made; the model stays in its memory.
"""

from dataclasses import dataclass

import pyarrow.compute as pc
from sqlalchemy import Float, func, select
from sqlalchemy.orm import Session

from evoselect.spec.comparison import WHOLE
from evoselect.spec.selection import SelectionSpec
from store.artifacts import Artifacts
from store.data import pools, targets
from store.jobs import costs, submissions
from store.jobs.costs import BYTES_PER_TOKEN, FLOPS_PER_SECOND, FORWARD_FLOPS
from store.jobs.requests import ComparisonWork, SelectionWork
from store.tables.data import Target
from store.tables.jobs import Job, Shard
from store.tables.states import JobKind, JobStatus, ShardState

TRAINING_FLOPS = 6  # forward and backward, of each parameter and token
TRAINED_FLOPS = 7.5e10  # a second of a worker of one thread, which shorter passes do not reach; ours, logged
START_SECONDS = 5.0  # of a job whose base model is loaded; ours, of the default model
REMEMBERED = 8  # jobs that a pace is taken of


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one worker."""

    features: float
    """Of all arms together."""
    selection: float
    training: float
    """On what an arm selects."""
    whole: float
    """A training on the whole pool."""
    evaluation: float
    rows: int
    """That an arm selects, about where it is told in tokens."""
    pool_rows: int
    measured: bool
    """Whether trainings and evaluations of the tenant's were measured."""
    workers: int
    """That compute side by side, as far as is known."""


def of_comparison(
    session: Session,
    artifacts: Artifacts,
    tenant_id: str,
    asked: ComparisonWork,
    *,
    parameters: int,
    block_rows: int,
    workers: int,
) -> Costs:
    """Raises Invalid for an empty pool, and for more rows than it has."""
    spec = asked.spec
    pool = pools.get(session, tenant_id, asked.pool_id)
    sources = pools.sources(session, pool, asked.pool_version)
    pool_rows = sum(source.rows for source in sources)
    tokens = sum(costs.text_bytes(artifacts, source.artifact) for source in sources) / BYTES_PER_TOKEN
    each = max(1.0, tokens / max(1, pool_rows))
    rows = min(pool_rows, max(1, round((spec.tokens or 0) / each)))
    if spec.tokens is None:
        size = submissions.Size(spec.k, spec.ratio)
        rows = submissions.sized(session, tenant_id, pool.id, asked.pool_version, size=size)[1] or 1
    parameters = parameters or costs.UNSTATED_PARAMETERS
    pace = _training_pace(session, tenant_id, asked.base_model)
    speed = pace or TRAINED_FLOPS / (TRAINING_FLOPS * parameters)
    evaluation, seen = _evaluation(session, artifacts, tenant_id, asked, parameters=parameters)
    features, selection = _selecting(
        session, artifacts, tenant_id, asked, parameters=parameters, block_rows=block_rows
    )
    return Costs(
        features=features,
        selection=selection,
        training=START_SECONDS + submissions.training_rows(spec.training, rows) * each / speed,
        whole=START_SECONDS + submissions.training_rows(spec.training, pool_rows) * each / speed,
        evaluation=evaluation,
        rows=rows,
        pool_rows=pool_rows,
        measured=pace is not None and seen,
        workers=workers,
    )


def _training_pace(session: Session, tenant_id: str, base_model: str) -> float | None:
    """Tokens a second of the tenant's last trainings of the model."""
    speed = Job.result["tokens_per_second"].astext.cast(Float)
    done = (Job.tenant_id == tenant_id, Job.kind == JobKind.TRAINING, Job.status == JobStatus.COMPLETED)
    query = select(speed).where(*done, Job.request["base_model"].astext == base_model)
    known = [found for found in session.scalars(query.order_by(Job.id.desc()).limit(REMEMBERED)) if found]
    return len(known) / sum(1 / found for found in known) if known else None


def _evaluation(
    session: Session, artifacts: Artifacts, tenant_id: str, asked: ComparisonWork, *, parameters: int
) -> tuple[float, bool]:
    """Seconds of one, and whether the pace was measured."""
    target = targets.get(session, tenant_id, asked.evaluation_target_id)
    seconds = func.extract("epoch", Shard.finished_at - Shard.started_at)
    done = (Shard.tenant_id == tenant_id, Shard.phase == "evaluate", Shard.state == ShardState.DONE)
    last = (
        select(seconds.label("seconds"), Shard.rows_total.label("rows"))
        .where(*done, Shard.rows_total > 0)
        .order_by(Shard.finished_at.desc())
        .limit(REMEMBERED)
        .subquery()
    )
    spent, rows = session.execute(select(func.sum(last.c.seconds), func.sum(last.c.rows))).one()
    if spent and rows:
        return float(spent) / float(rows) * target.count, True
    written = costs.text_bytes(artifacts, target.artifact) + _choices_bytes(artifacts, target)
    return START_SECONDS + written / BYTES_PER_TOKEN * FORWARD_FLOPS * parameters / FLOPS_PER_SECOND, False


def _choices_bytes(artifacts: Artifacts, target: Target) -> int:
    """Of all texts to choose from: the file stores one that many rows have once, the model reads all."""
    choices = artifacts.get_table(target.artifact, target.sha256, ("choices",)).column("choices")
    return sum(pc.sum(pc.binary_length(chunk.flatten())).as_py() or 0 for chunk in choices.chunks)


def _selecting(
    session: Session,
    artifacts: Artifacts,
    tenant_id: str,
    asked: ComparisonWork,
    *,
    parameters: int,
    block_rows: int,
) -> tuple[float, float]:
    """Seconds of the features of all arms, and of one selection once they are there."""
    kinds = []
    for arm in asked.spec.compared:
        if arm.method != WHOLE and asked.spec.features_of(arm) not in kinds:
            kinds.append(asked.spec.features_of(arm))
    features, selection = 0.0, 0.0
    for kind in kinds:
        with session.begin_nested() as undone:
            work = SelectionWork(
                target_id=asked.target_id,
                pool_id=asked.pool_id,
                pool_version=asked.pool_version,
                k=1,
                spec=SelectionSpec(),
                features=kind,
                model=asked.spec.proxy or asked.base_model,
            )
            label = submissions.Label()
            job = submissions.selection(session, tenant_id, work, shard_rows=block_rows, label=label)
            found = costs.of_selection(session, artifacts, job, parameters, block_rows=block_rows).seconds
            undone.rollback()
        features += found["features"]
        selection = max(selection, found["transport"])
    return features, selection
