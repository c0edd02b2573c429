"""Models: the allow-list, and the adapters that the tenant's trainings made."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from evoselect.spec.fields import MAX_WHOLE
from service.edge.labels import add_change
from service.http.media import BINARY
from service.http.parameters import DEFAULT_LIMIT, LabelledListing, Limit
from service.http.ranges import serve
from service.http.responses import Deleted, Page
from service.http.strict_json import StrictRoute
from service.http.views import as_response, deleted, page
from service.models import responses, views
from service.services import Services, TenantId
from store.artifacts import StoredFile
from store.errors import NotFound
from store.models import adapters, lineage

router = APIRouter(prefix="/v1/models", route_class=StrictRoute, tags=["models"])

ModelName = Annotated[
    str,
    Path(
        alias="name",
        pattern=r"^[A-Za-z0-9._:-]{1,128}$",
        max_length=128,
        description="Alias of a base model, or id of an adapter.",
    ),
]


@router.get("", response_model=Page[responses.AnyModel])
def listing(state: Services, tenant_id: TenantId, window: LabelledListing) -> Response:
    """The allow-list first, then adapters, newest first; pages go through the adapters."""
    bases = [views.base_model(source) for source in state.models.values()]
    with state.database.transaction() as session:
        found = page(adapters.listing(session, tenant_id, window=window), window.limit, views.adapter)
    return as_response(found if window.after else found.model_copy(update={"data": bases + found.data}))


@router.get("/{name}", response_model=responses.AnyModel)
def retrieve(name: ModelName, state: Services, tenant_id: TenantId) -> Response:
    """One model, by alias or id."""
    source = state.models.get(name)
    if source:
        return as_response(views.base_model(source))
    with state.database.transaction() as session:
        return as_response(views.adapter(adapters.get(session, tenant_id, name)))


add_change(
    router,
    ("/{name}", ModelName),
    row_of=adapters.get,
    view=lambda session, row: views.adapter(row),
    shown=responses.Adapter,
)


@router.delete("/{name}")
def delete(name: ModelName, state: Services, tenant_id: TenantId) -> Deleted:
    """Delete an adapter; 409 while a job that has not ended needs it, or a model was trained on it."""
    with state.database.transaction() as session:
        adapters.remove(session, tenant_id, name)
    return deleted("model", name)


@router.get("/{name}/lineage", response_model=responses.Lineage)
def retrieve_lineage(
    *,
    name: ModelName,
    state: Services,
    tenant_id: TenantId,
    after: Annotated[int, Query(ge=0, le=MAX_WHOLE, description="Records to pass over.")] = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """From an adapter back to every record, through the models that it was trained on; records by pages."""
    with state.database.transaction() as session:
        trainings = lineage.trace(session, tenant_id, name)
    rows = lineage.records(state.artifacts, trainings, after=after, limit=limit + 1)
    found = {
        "object": "model.lineage",
        "model_id": name,
        "base_model": trainings[0].base_model,
        "trainings": [lineage.summary(training) for training in trainings],
        "records_total": sum(training.records for training in trainings),
        "records": rows[:limit],
        "has_more": len(rows) > limit,
    }
    return as_response(found)


@router.get(
    "/{name}/content",
    response_class=Response,
    responses={
        200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The range that was asked for."},
        304: {"description": "As you know it."},
    },
)
def content(
    *,
    name: ModelName,
    request: Request,
    state: Services,
    tenant_id: TenantId,
    file: Annotated[
        str, Query(max_length=128, description="Name of the file.")
    ] = "adapter_model.safetensors",
) -> Response:
    """A file of an adapter, by default its weights."""
    with state.database.transaction() as session:
        row = adapters.get(session, tenant_id, name)
    found = row.files.get(file)
    if found is None:
        raise NotFound(f"file of {name} (it has {', '.join(sorted(row.files))})", file)
    stored = StoredFile.model_validate(found)
    return serve(
        request,
        state.artifacts.open(stored.path),
        size=stored.size or 0,
        sha256=stored.sha256,
        media_type=BINARY,
    )
