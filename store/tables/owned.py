"""Rows that belong to a tenant: one by its id, or a page of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, column, select
from sqlalchemy.dialects.postgresql import JSONB
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


def relabel(row: Job | Model | Pool | Target, said: Mapping[str, Any]) -> None:
    """Set `name` and `metadata`, those of them that are said; what is not said stays."""
    if "name" in said:
        row.name = said["name"]
    if "metadata" in said:
        row.user_metadata = dict(said["metadata"])


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a list are wanted; `metadata` is for tables that have such."""

    after: str | None = None
    """The id of the last row of the page before."""
    limit: int = 100
    oldest_first: bool = False
    created_after: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Pairs that a row's user has given it."""


def listed(
    session: Session, table: type[RowT], tenant_id: str, *where: ColumnElement[bool], window: Window
) -> list[RowT]:
    """The tenant's rows, newest first unless the window says else.

    At most limit + 1, so that the caller sees whether there are more.
    """
    query = select(table).where(table.tenant_id == tenant_id, *where)
    if window.after:
        query = query.where(table.id > window.after if window.oldest_first else table.id < window.after)
    if window.created_after:
        query = query.where(table.created_at > window.created_after)
    if window.metadata:
        query = query.where(column("user_metadata", JSONB).contains(dict(window.metadata)))
    order = table.id if window.oldest_first else table.id.desc()
    return list(session.scalars(query.order_by(order).limit(window.limit + 1)))
