"""Models: the allow-list, and the adapters that the tenant's trainings made."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from service import answers, views
from service.routes.common import DEFAULT_LIMIT, After, Limit
from service.state import Services, TenantId
from service.strict_json import StrictRoute
from store import adapters

router = APIRouter(prefix="/v1/models", route_class=StrictRoute, tags=["models"])

ModelName = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]


AnyModel = answers.BaseModelEntry | answers.Adapter


@router.get("", response_model=answers.Page[AnyModel])
def listing(
    state: Services, tenant_id: TenantId, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> dict[str, Any]:
    """The allow-list first, then adapters, newest first; pages go through the adapters."""
    bases = [views.base_model(source) for source in state.models.values()]
    with state.database.transaction() as session:
        page = views.page(
            adapters.listing(session, tenant_id, after=after, limit=limit), limit, views.adapter
        )
    return page if after else page | {"data": bases + page["data"]}


@router.get("/{name}", response_model=AnyModel)
def retrieve(name: ModelName, state: Services, tenant_id: TenantId) -> dict[str, Any]:
    """One model, by alias or id."""
    source = state.models.get(name)
    if source:
        return views.base_model(source)
    with state.database.transaction() as session:
        return views.adapter(adapters.get(session, tenant_id, name))
