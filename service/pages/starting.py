"""Forms that start jobs; what they send goes to the routes of the API."""

from typing import Annotated, TypedDict

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from evoselect.spec.comparison import ARM_METHODS, DEFAULT_ARMS, ComparisonSpec
from evoselect.spec.training import TrainingSpec
from service.pages import data, facts
from service.pages.forms import FORMATS
from service.pages.rendering import PageRoute, render
from service.services import Services, State, TenantId
from store.data import pools, targets
from store.errors import NotFound
from store.jobs import lifecycle as jobs
from store.jobs.requests import SelectionNames
from store.models import adapters
from store.tables.jobs import Job
from store.tables.owned import Window
from store.tables.states import JobKind, JobStatus

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

OFFERED = 100  # newest rows of a choice
METHODS = (
    ("capacity", "capacity, recommended"),
    ("exponentiated", "exponentiated, the paper's"),
    ("random", "random, to compare with"),
    ("mean_cosine", "mean cosine to the target"),
    ("nearest_target", "nearest to the target"),
)
Id = Annotated[str, Query(max_length=128)]
Ids = Annotated[list[str], Query(max_length=100)]


@router.get("/selections/new")
def selection(
    *,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    target_id: Id = "",
    pool_id: Id = "",
    example: bool = False,
) -> Response:
    """Two files or what is there already, how much of it, and what it costs."""
    with state.database.transaction() as session:
        offered = _data(session, tenant_id)
        target = _chosen(session, tenant_id, "targets", target_id)
        pool = _chosen(session, tenant_id, "pools", pool_id)
    return render(
        request,
        "start/selection.html",
        example=example,
        methods=METHODS,
        formats=FORMATS,
        models=list(state.models),
        default_model=state.settings.default_model,
        target=target,
        pool=pool,
        **offered,
    )


@router.get("/trainings/new")
def training(
    *,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    selection_id: Id = "",
    pool_id: Id = "",
    base_model: Id = "",
) -> Response:
    """What to learn from, and with which settings."""
    with state.database.transaction() as session:
        field = "pool_id" if pool_id else "selection_id"
        sources = _pools(session, tenant_id) if pool_id else completed_selections(session, tenant_id)
        models = _models(session, state, tenant_id)
    defaults = TrainingSpec()
    return render(
        request,
        "start/training.html",
        field=field,
        sources=sources,
        source=pool_id or selection_id,
        models=models,
        base=base_model or state.settings.default_model,
        defaults={"epochs": defaults.epochs or 1, "learning_rate": defaults.learning_rate},
    )


@router.get("/evaluations/new")
def evaluation(
    *,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    model: Ids = [],  # noqa: B006 - the framework copies it
    target_id: Id = "",
) -> Response:
    """Which models, on which examples."""
    with state.database.transaction() as session:
        models = _models(session, state, tenant_id)
        rows = _targets(session, tenant_id)
        held = _held_out_of(session, tenant_id, model)
    return render(
        request,
        "start/evaluation.html",
        models=models,
        chosen=model or [state.settings.default_model],
        targets=rows,
        target=target_id or held,
    )


@router.get("/loops/new")
def loop(
    *, request: Request, state: Services, tenant_id: TenantId, selection_id: Id = "", target_id: Id = ""
) -> Response:
    """Rounds of select, train and evaluate; with a selection its target, pool and size."""
    values = _named_data(state, tenant_id, selection_id, target_id)
    return render(request, "start/loop.html", **values)


@router.get("/comparisons/new")
def comparison(
    *, request: Request, state: Services, tenant_id: TenantId, selection_id: Id = "", target_id: Id = ""
) -> Response:
    """Methods side by side; with a selection its target, pool and size."""
    usual = ComparisonSpec.model_fields
    return render(
        request,
        "start/comparison.html",
        arms=ARM_METHODS,
        usual=DEFAULT_ARMS,
        seeds=usual["seeds"].default,
        draws=usual["draws"].default,
        **_named_data(state, tenant_id, selection_id, target_id),
    )


class Choice(TypedDict):
    """What a form offers to choose."""

    id: str
    name: str


class Data(TypedDict):
    """Targets and pools to choose from, newest first."""

    targets: list[data.Line]
    pools: list[data.Line]


class NamedData(Data):
    """What a form offers, and what of it a selection names."""

    models: list[Choice]
    target: str
    pool: str
    k: int | None


def _named_data(state: State, tenant_id: str, selection_id: str, target_id: str) -> NamedData:
    with state.database.transaction() as session:
        asked = _selected_for(session, tenant_id, selection_id) if selection_id else None
        values, models = _data(session, tenant_id), _models(session, state, tenant_id)
    if asked is None:
        return {**values, "models": models, "target": target_id, "pool": "", "k": None}
    own, pool = asked.target_id, asked.pool_id
    return {**values, "models": models, "target": own, "pool": pool, "k": asked.k}


def _selected_for(session: Session, tenant_id: str, selection_id: str) -> SelectionNames:
    job = jobs.get(session, tenant_id, selection_id, JobKind.SELECTION)
    return SelectionNames.of(job.request, job.id)


def _data(session: Session, tenant_id: str) -> Data:
    return {"targets": _targets(session, tenant_id), "pools": _pools(session, tenant_id)}


def _targets(session: Session, tenant_id: str) -> list[data.Line]:
    """Those that are kept apart of another one are called after it."""
    rows = targets.listing(session, tenant_id, window=Window(limit=OFFERED))
    whole = {row.held_out_target_id: data.line(row)["name"] for row in rows if row.held_out_target_id}
    apart = {held: f"{name}, kept apart" for held, name in whole.items()}
    lines = [data.line(row) for row in rows]
    return [{**line, "name": apart.get(line["id"], line["name"])} for line in lines]


def _pools(session: Session, tenant_id: str) -> list[data.Line]:
    rows = pools.listing(session, tenant_id, window=Window(limit=OFFERED))
    return [data.line(row) for row in rows if row.count]


def completed_selections(session: Session, tenant_id: str) -> list[Choice]:
    """The newest of them, as a choice."""
    done = [JobStatus.COMPLETED]
    rows = jobs.listing(session, tenant_id, JobKind.SELECTION, window=Window(limit=OFFERED), statuses=done)
    return [_named(row) for row in rows]


def _named(row: Job) -> Choice:
    return {"id": row.id, "name": facts.title(row.name, row.kind, row.created_at)}


def _models(session: Session, state: State, tenant_id: str) -> list[Choice]:
    """What may be trained further and measured: adapters by what they learnt from, then the allow-list."""
    rows = adapters.listing(session, tenant_id, window=Window(limit=OFFERED))
    adapted: list[Choice] = [{"id": row.id, "name": facts.model_name(session, row)} for row in rows]
    allowed: list[Choice] = [{"id": alias, "name": alias} for alias in state.models]
    return adapted + allowed


def _chosen(session: Session, tenant_id: str, noun: str, row_id: str) -> data.Card | None:
    """What the address names; None where it names nothing that is there."""
    try:
        return data.chosen(session, tenant_id, noun, row_id) if row_id else None
    except NotFound:
        return None


def _held_out_of(session: Session, tenant_id: str, models: list[str]) -> str:
    """The examples that were kept apart from the target that one of the models was selected for."""
    for name in models:
        try:
            model = adapters.get(session, tenant_id, name)
            training = jobs.get(session, tenant_id, model.training_id, JobKind.TRAINING)
            if source := training.request.get("selection_id"):
                asked = _selected_for(session, tenant_id, source)
                return targets.get(session, tenant_id, asked.target_id).held_out_target_id or ""
        except NotFound:
            continue
    return ""
