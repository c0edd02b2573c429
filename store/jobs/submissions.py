"""Accept jobs: look up what a request names, check that it fits, store job, shards and outbox together.

Each function runs in the caller's transaction; NotFound, Invalid or Conflict come before anything is stored.
`asked` is all that its workers read (store/jobs/requests.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from evoselect.spec.funnel import SPARE
from evoselect.spec.selection import SelectionSpec
from evoselect.spec.training import TrainingSpec
from store.data import files, pool_indexes, pools, targets
from store.data.sources import Source
from store.errors import Conflict, Invalid, OverQuota
from store.jobs import edges, plans, shards
from store.jobs import lifecycle as jobs
from store.jobs.requests import (
    ComparisonWork,
    EvaluationWork,
    IndexingWork,
    LoopWork,
    Requested,
    SelectionNames,
    SelectionWork,
    TrainingWork,
)
from store.jobs.results import files_of
from store.settings import Settings
from store.tables import uses
from store.tables.jobs import Job
from store.tables.states import TERMINAL, JobKind, JobStatus

FULL_SECONDS = 60  # Retry-After of a full queue: about as long as a shard takes
WORK: dict[JobKind, type[Requested]] = {
    work.kind: work for work in (SelectionWork, TrainingWork, EvaluationWork, IndexingWork)
}
WITHOUT_FEATURES = {JobKind.SELECTION: "transport", JobKind.INDEXING: "index"}
"""What a job begins with whose features were sent, or are there."""


@dataclass(frozen=True, slots=True)
class Label:
    """What users attach to a job for themselves."""

    name: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """How many candidates are wanted: exactly one of a count and a share of the pool in (0, 1]."""

    k: int | None
    ratio: float | None

    def of(self, candidates: int) -> int:
        """The count; raises Invalid when the pool cannot give it."""
        k = self.k if self.k is not None else max(1, round((self.ratio or 0.0) * candidates))
        if k > candidates:
            raise Invalid(
                f"k is {k} but the pool holds {candidates} candidates: ask for at most {candidates}",
                code="k_exceeds_pool",
                pointer="/k",
            )
        return k


def sized(
    session: Session, tenant_id: str, pool_id: str, version: int | None, *, size: Size | None
) -> tuple[int, int | None]:
    """The version that is meant (None: the newest), and the count, None without a size.

    Raises Invalid where the pool has no candidates at the version, or too few.
    """
    pool = pools.get(session, tenant_id, pool_id)
    meant = pool.version if version is None else version
    candidates = sum(batch.rows for batch in pools.sources(session, pool, meant))
    if not candidates:
        raise Invalid(
            f"pool {pool_id} is empty at version {meant}: add candidates first",
            code="empty_pool",
            pointer="/pool_id",
        )
    return meant, None if size is None else size.of(candidates)


def selection(
    session: Session, tenant_id: str, asked: SelectionWork, *, shard_rows: int, label: Label
) -> Job:
    """Its version and count are those of `sized`; a shard takes at most `shard_rows` records."""
    target = targets.get(session, tenant_id, asked.target_id)
    pool = pools.get(session, tenant_id, asked.pool_id)
    batches = pools.sources(session, pool, asked.pool_version)
    _require_compared(session, tenant_id, asked.spec)
    for earlier in asked.exclude_selection_ids:
        _completed_selection(session, tenant_id, earlier)
    if asked.feature_files is not None:
        for file_id in (asked.feature_files.target, asked.feature_files.pool):
            files.get(session, tenant_id, file_id)
        parts = _of_sent_features(batches)
        return _create(session, tenant_id, asked, parts=parts, label=label)
    own = Source("target", target.artifact, target.sha256, target.count)
    _require_wide_funnel(asked, sum(batch.rows for batch in batches))
    sources = [
        own,
        *(batches if asked.features.funnel is None else ()),
    ]  # the select worker asks for the rest
    parts = plans.feature_shards(sources, shard_rows, len(asked.features.checkpoints) or 1)
    return _create(session, tenant_id, asked, parts=parts, label=label)


def _of_sent_features(batches: Sequence[Source]) -> list[plans.ShardPlan]:
    """Nothing has to be computed first."""
    return plans.single_shard("transport", sum(batch.rows for batch in batches))


def _require_wide_funnel(asked: SelectionWork, candidates: int) -> None:
    """Raise Invalid where so many candidates leave too few behind the funnel."""
    funnel, k = asked.features.funnel, asked.k or 0
    if funnel is not None and SPARE * k > (kept := funnel.nearest(candidates)):
        raise Invalid(
            f"k is {k}, and the funnel lets {kept} of {candidates} candidates through: ask for at most "
            f"{kept // SPARE}, a quarter of these, or raise features.funnel.share, or leave the funnel out",
            code="funnel_too_narrow",
            pointer="/features/funnel/share",
        )


def _require_compared(session: Session, tenant_id: str, spec: SelectionSpec) -> None:
    """The targets that candidates should not repeat are there."""
    for target_id in spec.near_copies.against if spec.near_copies else ():
        targets.get(session, tenant_id, target_id)


def training(
    session: Session,
    tenant_id: str,
    asked: TrainingWork,
    *,
    most_steps: int,
    label: Label,
) -> Job:
    """Raises Invalid where the training would take more than `most_steps`."""
    rows = _source_rows(session, tenant_id, asked) + (asked.anchors.rows if asked.anchors else 0)
    require_steps(asked.spec, rows, most_steps, "/spec")
    parts = plans.single_shard("train", training_rows(asked.spec, rows))
    return _create(session, tenant_id, asked, parts=parts, label=label)


def _source_rows(session: Session, tenant_id: str, asked: TrainingWork) -> int:
    if asked.selection_id is not None:
        job = _completed_selection(session, tenant_id, asked.selection_id)
        k = SelectionNames.of(job.request, job.id).k
        return k or files_of(job.result).items.rows or 0
    if asked.examples_id is not None:
        return targets.get(session, tenant_id, asked.examples_id).count
    pool = pools.get(session, tenant_id, str(asked.pool_id))
    rows = sum(part.rows for part in pools.sources(session, pool, asked.pool_version or 0))
    if not rows:
        raise Invalid(
            f"pool {pool.id} is empty at version {asked.pool_version}: add candidates first",
            code="empty_pool",
            pointer="/pool_id",
        )
    return rows


def evaluation(session: Session, tenant_id: str, asked: EvaluationWork, label: Label) -> Job:
    """How many questions named tasks have is not known here."""
    rows = 0 if asked.target_id is None else targets.get(session, tenant_id, asked.target_id).count
    parts = plans.single_shard("evaluate", rows)
    return _create(session, tenant_id, asked, parts=parts, label=label)


def loop(session: Session, tenant_id: str, asked: LoopWork, label: Label) -> Job:
    """Its first shard opens the first round."""
    for target_id in (asked.target_id, asked.evaluation_target_id, asked.spec.guard_target_id):
        if target_id is not None:
            targets.get(session, tenant_id, target_id)
    _require_compared(session, tenant_id, asked.spec.selection)
    return _create(session, tenant_id, asked, parts=plans.single_shard("advance", 0), label=label)


def comparison(session: Session, tenant_id: str, asked: ComparisonWork, label: Label) -> Job:
    """Its first shard begins the selections."""
    for target_id in (asked.target_id, asked.evaluation_target_id):
        targets.get(session, tenant_id, target_id)
    pools.get(session, tenant_id, asked.pool_id)
    for arm in asked.spec.compared:
        _require_compared(session, tenant_id, arm.spec)
    parts = plans.single_shard("compare", 0)
    return _create(session, tenant_id, asked, parts=parts, label=label)


def indexing(session: Session, tenant_id: str, asked: IndexingWork, *, shard_rows: int, label: Label) -> Job:
    """Features of what the pool's index lacks, then the index; its version is that of `sized`."""
    sources = pools.sources(session, pools.get(session, tenant_id, asked.pool_id), asked.pool_version)
    rows = sum(source.rows for source in sources)
    if asked.feature_file is not None:
        files.get(session, tenant_id, asked.feature_file)
        return _create(session, tenant_id, asked, parts=plans.single_shard("index", rows), label=label)
    known = pool_indexes.find(session, asked.pool_id)
    settings = pool_indexes.settings_of(asked.model, asked.features)
    if known and pool_indexes.goes_on(known, settings, version=asked.pool_version, rows=rows):
        sources = sources[known.version :]
    wanted = [source for source in sources if source.rows]
    parts = plans.feature_shards(wanted, shard_rows, len(asked.features.checkpoints) or 1)
    return _create(session, tenant_id, asked, parts=parts or plans.single_shard("index", rows), label=label)


def again(session: Session, tenant_id: str, job_id: str, kind: JobKind) -> Job:
    """A new job from the request of one that ended without a result; finished feature blocks are found again.

    Raises Conflict where the job goes on or has a result.
    """
    old = jobs.get(session, tenant_id, job_id, kind)
    if old.status not in TERMINAL or old.status == JobStatus.COMPLETED:
        raise Conflict(
            f"{kind} {job_id} is {old.status}: only one that failed, expired or was cancelled can be retried",
            code="not_retryable",
        )
    if kind == JobKind.LOOP:
        return loop(session, tenant_id, LoopWork.of(old.request, old.id), _label_of(old))
    if kind == JobKind.COMPARISON:
        return comparison(session, tenant_id, ComparisonWork.of(old.request, old.id), _label_of(old))
    asked = WORK[kind].of(old.request, old.id)
    first = shards.of_phase(session, job_id, plans.FIRST_PHASE[kind])
    if isinstance(asked, SelectionWork) and asked.features.funnel is not None:
        first = [shard for shard in first if shard.payload["role"] == "target"]  # the rest is asked for again
    rows = first or shards.of_phase(session, job_id, WITHOUT_FEATURES.get(kind, ""))
    parts = [plans.ShardPlan(row.phase, row.index, row.rows_total, row.payload) for row in rows]
    if isinstance(asked, SelectionWork) and asked.feature_files is not None:
        pool = pools.get(session, tenant_id, asked.pool_id)
        parts = _of_sent_features(pools.sources(session, pool, asked.pool_version))
    return _create(session, tenant_id, asked, parts=parts, label=_label_of(old))


def _label_of(job: Job) -> Label:
    return Label(job.name, job.user_metadata, job.priority)


def require_steps(spec: TrainingSpec, k: int, most: int, pointer: str) -> None:
    """Raise Invalid for a training with more optimizer steps than the operator allows."""
    _require_steps(spec, training_rows(spec, k), most, pointer)


def require_allowed(session: Session, job: Job, settings: Settings) -> None:
    """Raise Invalid for a training or a selection from an earlier request that is no longer allowed."""
    if job.kind == JobKind.SELECTION:
        asked = SelectionWork.of(job.request, job.id)
        edges.require_possible(session, job.tenant_id, asked, settings.max_edges)
    if job.kind == JobKind.TRAINING:
        spec = TrainingWork.of(job.request, job.id).spec
        for shard in shards.of_phase(session, job.id, "train"):
            _require_steps(spec, shard.rows_total, settings.max_training_steps, "/spec")


def _require_steps(spec: TrainingSpec, rows: int, most: int, pointer: str) -> None:
    steps = math.ceil(rows / spec.batch_size)
    if steps > most:
        name = "epochs" if spec.max_steps is None else "max_steps"
        raise Invalid(
            f"the training would take {steps} steps, and at most {most} are allowed "
            "(EVOSELECT_MAX_TRAINING_STEPS): train on less, or for fewer epochs",
            code="too_many_steps",
            pointer=f"{pointer}/{name}",
        )


def training_rows(spec: TrainingSpec, k: int) -> int:
    """Examples that the optimizer will see, repetitions included: what progress counts."""
    if spec.max_steps is not None:
        return spec.max_steps * spec.batch_size
    return math.ceil((spec.epochs or 1.0) * k)


def _completed_selection(session: Session, tenant_id: str, selection_id: str) -> Job:
    job = jobs.get(session, tenant_id, selection_id, JobKind.SELECTION)
    if job.status != JobStatus.COMPLETED:
        raise Conflict(
            f"selection {selection_id} is {job.status}: wait until it is completed",
            code="selection_not_completed",
        )
    return job


def check_queue(session: Session, tenant_id: str, kind: JobKind, most: int) -> None:
    """Raise OverQuota while `most` or more of the tenant's shards wait where such a job would begin."""
    queue = plans.QUEUE[plans.FIRST_PHASE[kind]]
    if (count := shards.waiting(session, tenant_id, queue, most)) >= most:
        raise OverQuota(
            f"{count} or more shards of yours wait in the queue {queue}: try again when some are done",
            code="queue_full",
            retry_after=FULL_SECONDS,
        )


def _create(
    session: Session, tenant_id: str, asked: Requested, *, parts: list[plans.ShardPlan], label: Label
) -> Job:
    request = asked.stored()
    uses.hold(session, tenant_id, request)
    return jobs.create(
        session,
        tenant_id=tenant_id,
        kind=asked.kind,
        request=request,
        plans=parts,
        name=label.name,
        user_metadata=label.metadata,
        priority=label.priority,
    )
