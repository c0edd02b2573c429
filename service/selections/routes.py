"""Jobs that pick candidates for a target."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.orm import Session

from service.http.views import as_response
from service.intake.inline import Rows, parse_all
from service.intake.inputs import stored_pool, stored_target
from service.jobs.names import known_model
from service.jobs.routes import job_routes
from service.jobs.start import Starts
from service.selections import responses
from service.selections.estimates import estimate
from service.selections.requests import SelectionRequest, require_budget_for_pinned
from service.services import Services, TenantId
from store.accounts import quotas
from store.data import targets
from store.jobs import edges, pace, submissions
from store.jobs.requests import FeatureFiles, SelectionWork
from store.records.layout import Layout
from store.tables.states import JobKind

router = job_routes(JobKind.SELECTION, "selections", responses.Selection)


@router.post(
    "",
    status_code=202,
    response_model=responses.Selection,
    responses={200: {"model": responses.Estimate, "description": "With validate_only: what it would cost."}},
)
def create(
    *,
    body: SelectionRequest,
    state: Services,
    tenant_id: TenantId,
    start: Starts,
    validate_only: Annotated[bool, Query(description="Only check, and say what it would cost.")] = False,
) -> Response:
    """Start a selection. Inline records become a target or a pool of their own."""
    limit = state.settings.max_inline_records
    target = None if body.target is None else parse_all(body.target, "/target", limit, Layout())
    sent = body.candidates
    candidates = None if sent is None else parse_all(sent, "/candidates", limit, Layout())

    def store(session: Session) -> str:
        model = known_model(
            session, state, tenant_id, body.model or state.settings.default_model, pointer="/model"
        )
        for number, checkpoint in enumerate(body.features.checkpoints):
            pointer = f"/features/checkpoints/{number}/model"
            known_model(session, state, tenant_id, checkpoint.model, pointer=pointer)
        asked = _asked(
            session,
            tenant_id,
            body,
            target_id=body.target_id or stored_target(session, state, tenant_id, target or Rows()),
            pool_id=body.pool_id or stored_pool(session, state, tenant_id, candidates or Rows()),
            model=model,
        )
        label = submissions.Label(body.name, body.metadata, body.priority)
        shard_rows = pace.shard_rows(session, tenant_id, asked, state.settings)
        job = submissions.selection(session, tenant_id, asked, shard_rows=shard_rows, label=label)
        quotas.require_k(asked.k or 0, state.settings.max_k)  # by tokens the worker asks
        require_budget_for_pinned(body.pinned, asked.k)
        edges.require_possible(session, tenant_id, asked, state.settings.max_edges)
        return job.id

    if validate_only:
        return as_response(estimate(start, store))
    return start.run(JobKind.SELECTION, body, store)


def _asked(
    session: Session, tenant_id: str, body: SelectionRequest, *, target_id: str, pool_id: str, model: str
) -> SelectionWork:
    """The body with every name looked up."""
    targets.get(session, tenant_id, target_id)  # told before what is wrong with the pool
    size = None if body.tokens else submissions.Size(body.k, body.ratio)
    version, k = submissions.sized(session, tenant_id, pool_id, body.pool_version, size=size)
    files = body.feature_files
    return SelectionWork(
        target_id=target_id,
        pool_id=pool_id,
        pool_version=version,
        k=k,
        tokens=body.tokens,
        tokens_from=body.tokens_from,
        pinned=tuple(body.pinned),
        spec=body.spec,
        features=body.features,
        feature_files=files and FeatureFiles(target=files.target, pool=files.pool),
        model=model,
        seed=body.seed,
        exclude_selection_ids=tuple(body.exclude_selection_ids),
    )
