"""Jobs that make the records of a pool findable by their features."""

from fastapi import Response
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from evoselect.spec.features import FeatureSpec
from service.data import responses
from service.data.requests import IndexingRequest
from service.jobs.names import known_model
from service.jobs.routes import job_routes
from service.jobs.start import Starts
from service.services import Services, State, TenantId
from store.data import pools
from store.errors import Conflict, Invalid
from store.jobs import lifecycle as jobs
from store.jobs import pace, submissions
from store.jobs.requests import IndexingWork, SelectionWork
from store.tables.jobs import Job
from store.tables.states import TERMINAL, JobKind, JobStatus

router = job_routes(JobKind.INDEXING, "indexings", responses.Indexing)


@router.post("", status_code=202, response_model=responses.Indexing)
def create(*, body: IndexingRequest, state: Services, tenant_id: TenantId, start: Starts) -> Response:
    """Start an indexing of a pool; one like it that has not ended is answered with."""

    def store(session: Session) -> str:
        asked = _asked(session, state, tenant_id, body)
        known = open_one(session, tenant_id, asked.pool_id)
        if known is not None:
            if IndexingWork.of(known.request, known.id) == asked:
                return known.id
            raise Conflict(
                f"indexing {known.id} of pool {asked.pool_id} is {known.status}: wait until it has ended, or "
                "cancel it",
                code="indexing_open",
            )
        label = submissions.Label(body.name, body.metadata, body.priority)
        shard_rows = pace.shard_rows(session, tenant_id, asked, state.settings)
        return submissions.indexing(session, tenant_id, asked, shard_rows=shard_rows, label=label).id

    return start.run(JobKind.INDEXING, body, store)


def open_one(session: Session, tenant_id: str, pool_id: str) -> Job | None:
    """The indexing of the pool that has not ended."""
    return session.scalar(_of_pool(tenant_id, pool_id, JobKind.INDEXING).where(Job.status.not_in(TERMINAL)))


def newest_selection(session: Session, tenant_id: str, pool_id: str) -> Job | None:
    """The completed selection of the pool that began last."""
    return session.scalar(
        _of_pool(tenant_id, pool_id, JobKind.SELECTION).where(Job.status == JobStatus.COMPLETED)
    )


def _of_pool(tenant_id: str, pool_id: str, kind: JobKind) -> Select[Job]:
    """The newest first."""
    own = (Job.tenant_id == tenant_id, Job.kind == kind, Job.request["pool_id"].astext == pool_id)
    return select(Job).where(*own).order_by(Job.id.desc()).limit(1)


def _asked(session: Session, state: State, tenant_id: str, body: IndexingRequest) -> IndexingWork:
    """The body with every name looked up."""
    pool = pools.get(session, tenant_id, body.pool_id)
    version, _ = submissions.sized(session, tenant_id, pool.id, None, size=None)
    if body.model is not None or body.features is not None:
        name = body.model or state.settings.default_model
        model = known_model(session, state, tenant_id, name, pointer="/model")
        features = body.features or FeatureSpec()
        for number, checkpoint in enumerate(features.checkpoints):
            pointer = f"/features/checkpoints/{number}/model"
            known_model(session, state, tenant_id, checkpoint.model, pointer=pointer)
        return IndexingWork(pool_id=pool.id, pool_version=version, model=model, features=features)
    chosen = _selection(session, tenant_id, body)
    files = chosen.feature_files
    return IndexingWork(
        pool_id=pool.id,
        pool_version=version if files is None else chosen.pool_version,
        model=chosen.model,
        # New records may be bad, and all are to be found.
        features=chosen.features.model_copy(update={"on_bad_row": "skip", "funnel": None}),
        **({} if files is None else {"feature_file": files.pool}),
    )


def _selection(session: Session, tenant_id: str, body: IndexingRequest) -> SelectionWork:
    """That of the body, or the newest one; raises NotFound, Conflict or Invalid."""
    if body.selection_id is None:
        job = newest_selection(session, tenant_id, body.pool_id)
        if job is None:
            raise Conflict(
                f"no completed selection used pool {body.pool_id}, so that nothing says which features its "
                "records have: run a selection first, or send model and features",
                code="no_features",
            )
        return SelectionWork.of(job.request, job.id)
    job = jobs.get(session, tenant_id, body.selection_id, JobKind.SELECTION)
    if job.status != JobStatus.COMPLETED:
        raise Conflict(
            f"selection {job.id} is {job.status}: wait until it is completed", code="selection_not_completed"
        )
    asked = SelectionWork.of(job.request, job.id)
    if asked.pool_id != body.pool_id:
        raise Invalid(
            f"selection {job.id} is of pool {asked.pool_id}: name one of pool {body.pool_id}, or none",
            pointer="/selection_id",
        )
    return asked
