"""What pools and targets share: their records by pages, and that they can be deleted."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from service.data import records, responses
from service.http.parameters import DEFAULT_LIMIT, AfterNumber, Extra, Limit, Search, resource_id
from service.http.responses import Deleted
from service.http.views import as_response, deleted
from service.services import Services, TenantId
from store.data.sources import Source

SourcesOf = Callable[[Session, str, str], list[Source]]
"""(session, tenant, id) -> the files with its records; raises NotFound."""
Remove = Callable[[Session, str, str], None]


def add_routes(router: APIRouter, noun: str, sources_of: SourcesOf, remove: Remove) -> None:
    """GET .../{id}/records and DELETE .../{id}."""
    Id = resource_id(f"{noun}_id")

    @router.get(f"/{{{noun}_id}}/records", response_model=responses.RecordPage)
    def stored_records(
        *,
        row_id: Id,  # type: ignore[valid-type]  # known when the app is made
        state: Services,
        tenant_id: TenantId,
        extra: Extra,
        after: AfterNumber = 0,
        limit: Limit = DEFAULT_LIMIT,
        search: Search = None,
    ) -> Response:
        """The records in their order, of a pool each content once.

        `search` gives those that hold a text, `extra.source=web` those with that value in `extra`.
        """
        with state.database.transaction() as session:
            sources = sources_of(session, tenant_id, row_id)
        return as_response(records.page(state, sources, after=after, limit=limit, text=search, extra=extra))

    @router.delete(f"/{{{noun}_id}}")
    def delete(
        row_id: Id,  # type: ignore[valid-type]  # known when the app is made
        state: Services,
        tenant_id: TenantId,
    ) -> Deleted:
        """Delete it; 409 while a job that has not ended needs it. What was made from it stays."""
        with state.database.transaction() as session:
            remove(session, tenant_id, row_id)
        return deleted(noun, row_id)
