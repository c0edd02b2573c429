"""Loops: rounds of generate, select, train and evaluate."""

from typing import Annotated

from fastapi import Path, Response
from sqlalchemy.orm import Session

from evoselect.spec.loop import CURRENT, LoopSpec, OpenAIGenerator, PoolGenerator
from evoselect.spec.verifier import Called
from service.data import responses as data_responses
from service.data.pools import Intake
from service.edge.quotas import STORAGE_LEFT
from service.http.parameters import DEFAULT_LIMIT, AfterNumber, Limit, ResourceId
from service.http.responses import Page
from service.http.views import as_response, page
from service.jobs.names import held_out_target, known_model
from service.jobs.routes import job_routes, load
from service.jobs.start import Starts
from service.loops import responses, views
from service.loops.requests import CandidatesRequest, LoopRequest
from service.services import Services, State, TenantId
from store.accounts import quotas
from store.data import pools
from store.errors import Conflict, Invalid, NotFound
from store.jobs import lifecycle as jobs
from store.jobs import submissions
from store.jobs.requests import LoopWork
from store.kit import egress
from store.kit.json import Json
from store.loops import advance as loops
from store.loops import exact, pauses
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.loops.results import Generated
from store.models import generators as endpoints
from store.tables.loops import Round
from store.tables.states import JobKind

router = job_routes(JobKind.LOOP, "loops", responses.Loop)

RoundNumber = Annotated[int, Path(ge=1, le=10**6, description="The number of the round, from 1.")]


@router.post("", status_code=202, response_model=responses.Loop)
def create(*, body: LoopRequest, state: Services, tenant_id: TenantId, start: Starts) -> Response:
    """Start a loop."""

    def store(session: Session) -> str:
        name = body.base_model or state.settings.default_model
        asked = LoopWork(
            target_id=body.target_id,
            evaluation_target_id=body.evaluation_target_id
            or held_out_target(session, tenant_id, body.target_id),
            base_model=known_model(session, state, tenant_id, name, pointer="/base_model"),
            spec=_resolved(session, state, tenant_id, body.full_spec()),
        )
        _require_apart(asked)
        label = submissions.Label(body.name, body.metadata, body.priority)
        return submissions.loop(session, tenant_id, asked, label).id

    return start.run(JobKind.LOOP, body, store)


def _require_apart(asked: LoopWork) -> None:
    """Raise Invalid where the examples that a round learns from are those that it is measured on."""
    spec = asked.spec
    if asked.target_id not in (asked.evaluation_target_id, spec.guard_target_id):
        return
    taken = (
        "would be drawn from target {}, which is measured on: keep a share of it apart (held_out), or leave"
    )
    if spec.anchor_share:
        raise Invalid(
            f"anchors {taken.format(asked.target_id)} anchor_share out",
            code="no_anchors",
            pointer="/anchor_share",
        )
    if isinstance(spec.generator, OpenAIGenerator) and spec.generator.prompts_from == "failures":
        raise Invalid(
            f"failures {taken.format(asked.target_id)} prompts_from out",
            code="no_failures",
            pointer="/generator/prompts_from",
        )


def _resolved(session: Session, state: State, tenant_id: str, spec: LoopSpec) -> LoopSpec:
    """The settings with every name looked up, so that nothing that they mean changes on the way."""
    if spec.proxy != CURRENT:
        known_model(session, state, tenant_id, spec.proxy, pointer="/proxy")
    if spec.k is not None:
        quotas.require_k(spec.k, state.settings.max_k)
    most = state.settings.max_training_steps
    rows = (spec.k or 0) + spec.anchors(spec.k or 0)
    submissions.require_steps(spec.training, rows, most, "/training")
    generator = spec.generator
    if isinstance(generator, OpenAIGenerator):
        _require_reachable(state, generator, "/generator")
    if isinstance(spec.verifier, Called):
        _require_reachable(state, spec.verifier, "/verifier")
    elif spec.verifier is not None:
        exact.check_of(spec.verifier, "/verifier")
    if not isinstance(generator, PoolGenerator):
        return spec
    pool = pools.get(session, tenant_id, generator.pool_id)
    version = pool.version if generator.pool_version is None else generator.pool_version
    rows = sum(source.rows for source in pools.sources(session, pool, version))
    k = submissions.Size(spec.k, spec.ratio).of(min(rows, generator.size or rows))
    submissions.require_steps(spec.training, k + spec.anchors(k), most, "/training")
    return spec.model_copy(update={"generator": generator.model_copy(update={"pool_version": version})})


def _require_reachable(state: State, place: OpenAIGenerator | Called, pointer: str) -> None:
    """Raise Invalid for an alias that nobody has configured, or a URL that is never called."""
    settings = state.settings
    if place.endpoint is not None:
        endpoints.find(place.endpoint, settings.endpoints, pointer)
        return
    allowed = egress.networks(settings.generator_networks)
    try:
        url = egress.parse(str(place.url), plain=bool(allowed))
        egress.check_literal(url, allowed)
    except egress.Refused as error:
        plain = str(place.url).startswith("http://")
        more = "; the operator can allow its network (EVOSELECT_GENERATOR_NETWORKS)" if plain else ""
        raise Invalid(f"{error}{more}", code="url_refused", pointer=f"{pointer}/url") from error


@router.post("/{job_id}/pause", response_model=responses.Loop)
def pause(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Begin nothing further; steps that run go on to their end."""
    with state.database.transaction() as session:
        pauses.pause(session, tenant_id, job_id)
    return as_response(load(state, tenant_id, job_id, JobKind.LOOP))


@router.post("/{job_id}/resume", response_model=responses.Loop)
def resume(job_id: ResourceId, state: Services, tenant_id: TenantId) -> Response:
    """Go on with a paused loop."""
    with state.database.transaction() as session:
        pauses.resume(session, tenant_id, job_id)
    return as_response(load(state, tenant_id, job_id, JobKind.LOOP))


@router.get("/{job_id}/rounds", response_model=Page[responses.Round])
def rounds(
    *,
    job_id: ResourceId,
    state: Services,
    tenant_id: TenantId,
    after: AfterNumber = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Its rounds in order, those with a number above `after`."""
    with state.database.transaction() as session:
        job = jobs.get(session, tenant_id, job_id, JobKind.LOOP)
        arms = loop_plan.arms(loops.spec_of(job))
        steps = loop_steps.of_loop(session, job_id)
        rows = [row for row in loop_steps.rounds(session, job_id) if row.number > after]
        over = jobs.is_terminal(job)

        def shown(row: Round) -> Json:
            numbers = {arm: loop_steps.numbers(steps, row.number, arm) for arm in arms}
            return views.loop_round(row, numbers, over=over)

        return as_response(page(rows, limit, shown))


@router.post(
    "/{job_id}/rounds/{number}/candidates",
    status_code=201,
    dependencies=[STORAGE_LEFT],
    responses={409: {"description": "The round does not wait for candidates."}},
)
def add_candidates(
    *, job_id: ResourceId, number: RoundNumber, body: CandidatesRequest, state: Services, tenant_id: TenantId
) -> data_responses.Batch:
    """Candidates for a round that waits for them; what earlier rounds were given counts as duplicate.

    The same client_batch_id again returns the first batch. Without `more` the round goes on with what it has.
    """
    with state.database.transaction() as session:
        pool_ids, waits = _pools(session, tenant_id, job_id, number)
    intake = Intake(state, tenant_id, pool_ids[-1], body, tuple(pool_ids[:-1]))
    batch = intake.known()
    if batch is None and not waits:
        detail = f"round {number} of loop {job_id} does not wait for candidates any more"
        raise Conflict(detail, code="round_not_waiting")
    batch = batch or intake.from_json()
    if waits and not body.more:
        with state.database.transaction() as session:
            pool = pools.get(session, tenant_id, pool_ids[-1])
            counts = Generated(candidates=pool.count)
            loops.generated(session, job_id, number, pool_id=pool.id, version=pool.version, counts=counts)
    return batch


def _pools(session: Session, tenant_id: str, loop_id: str, number: int) -> tuple[list[str], bool]:
    """The pools of the rounds up to that one, and whether it waits for candidates."""
    job = jobs.get(session, tenant_id, loop_id, JobKind.LOOP)
    rows = loop_steps.rounds(session, loop_id)[:number]
    if len(rows) < number:
        raise NotFound("round", str(number))
    if loops.spec_of(job).generator.kind != "push":
        raise Conflict(f"loop {loop_id} makes its candidates itself", code="round_not_waiting")
    waits = rows[-1].state == "waiting" and not (job.cancel_requested or jobs.is_terminal(job))
    return [str(row.pool_id) for row in rows], waits
