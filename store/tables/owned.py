"""Rows that belong to a tenant: one by its id, or a page of them."""

from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from store.errors import NotFound
from store.tables.accounts import ApiKey, AuditEvent, WebhookDelivery, WebhookEndpoint
from store.tables.data import File, Model, Pool, Target
from store.tables.jobs import Job
from store.tables.uploads import Upload

RowT = TypeVar(
    "RowT",
    bound=ApiKey
    | AuditEvent
    | File
    | Job
    | Model
    | Pool
    | Target
    | Upload
    | WebhookDelivery
    | WebhookEndpoint,
)


def get(session: Session, table: type[RowT], tenant_id: str, row_id: str, *, noun: str) -> RowT:
    """The tenant's row; raises NotFound, for another tenant's as for one that does not exist."""
    row = None if "\0" in row_id else session.get(table, row_id)  # which PostgreSQL takes in no text
    if row is None or row.tenant_id != tenant_id:
        raise NotFound(noun, row_id)
    return row


def newest_first(
    session: Session,
    table: type[RowT],
    tenant_id: str,
    *where: ColumnElement[bool],
    after: str | None,
    limit: int,
) -> list[RowT]:
    """The tenant's rows before `after`: at most limit + 1, so that the caller sees whether there are more."""
    query = select(table).where(table.tenant_id == tenant_id, *where)
    if after:
        query = query.where(table.id < after)
    return list(session.scalars(query.order_by(table.id.desc()).limit(limit + 1)))
