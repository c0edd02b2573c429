"""PATCH of what users call and note something by: one route for every noun that has a name and metadata."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from service.edge.idempotency import OnceOnly
from service.http.fields import LabelChange
from service.http.responses import ResponseModel
from service.http.views import as_response
from service.services import Services, TenantId
from store.tables import owned
from store.tables.data import Model, Pool, Target
from store.tables.jobs import Job

RowT = TypeVar("RowT", Job, Model, Pool, Target)


def add_change(
    router: APIRouter,
    place: tuple[str, Any],
    *,
    row_of: Callable[[Session, str, str], RowT],
    view: Callable[[Session, RowT], ResponseModel | Mapping[str, object]],
    shown: Any,
) -> None:
    """PATCH of a path and the type of the id in it; `row_of` takes (session, tenant, id), raises NotFound.

    `shown` is the model of what `view` gives.
    """
    path, Id = place

    @router.patch(path, response_model=shown)
    def update(
        *,
        row_id: Id,  # type: ignore[valid-type]  # known when the app is made
        body: LabelChange,
        response: Response,
        state: Services,
        tenant_id: TenantId,
        once: OnceOnly,
    ) -> Response:
        """Change its name, its metadata or both; what is left out stays as it is."""

        def change(session: Session) -> str:
            owned.relabel(row_of(session, tenant_id, row_id), body.model_dump())
            return row_id

        once.run(body, change)
        with state.database.transaction() as session:
            changed = view(session, row_of(session, tenant_id, row_id))
        return as_response(changed, 200, response.headers)
