"""The records of a pool that are most like one, as a page shows them; or what there is to do first."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from service.data.similar import Similar, similar_to
from service.http.parameters import ResourceId
from service.pages import facts
from service.pages.records import views
from service.pages.rendering import PageRoute, render
from service.services import Services, TenantId
from store.data import pools
from store.errors import Conflict, Invalid
from store.kit.json import Json

router = APIRouter(prefix="/ui/pools", route_class=PageRoute, include_in_schema=False)
SHOWN = 20  # records
MENDED = ("no_index", "record_not_indexed", "index_damaged")  # by an indexing
Name = Annotated[str, Query(alias="record", min_length=1, max_length=256)]


@router.get("/{pool_id}/similar")
def page(
    *, request: Request, pool_id: ResourceId, name: Name, state: Services, tenant_id: TenantId
) -> Response:
    """The record, and those that are most like it."""
    with state.database.transaction() as session:
        pool = pools.get(session, tenant_id, pool_id)
        row = {"id": pool.id, "name": facts.title(pool.name, "pool", pool.created_at)}
    try:
        found = _shown(pool_id, similar_to(state, tenant_id, pool_id, name, limit=SHOWN))
    except (Conflict, Invalid) as error:
        refused = {"detail": f"{error.detail[:1].upper()}{error.detail[1:]}.", "mend": error.code in MENDED}
        return render(request, "rows/similar.html", error.status, pool=row, refused=refused, found=None)
    return render(request, "rows/similar.html", pool=row, refused=None, found=found)


def address(pool_id: str, content_hash: str) -> str:
    """Of the page about a record."""
    return f"/ui/pools/{pool_id}/similar?{urlencode({'record': content_hash})}"


def _shown(pool_id: str, found: Similar) -> Json:
    """The values of its template."""
    nearest = [
        {
            **views.shown(one["record"]),
            "number": one["number"],
            "cosine": one["cosine"],
            "near_copy": one["near_copy"],
            "href": address(pool_id, one["record"]["content_hash"]),
        }
        for one in found["data"]
    ]
    whole = {**found, "data": nearest, "of": views.shown(found["of"]["record"])}
    return {**whole, "number": found["of"]["number"]}
