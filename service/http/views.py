"""Rows as the JSON that clients see; nothing of where files lie leaves the service."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import orjson
from fastapi import Response

from store.kit.json import Json

RowT = TypeVar("RowT")


def as_response(content: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as it is: the schema is documentation, and checking each answer against it would be slow."""
    more = {
        name: value
        for name, value in (headers or {}).items()
        if name not in ("content-length", "content-type")
    }
    return Response(orjson.dumps(content), status, more, "application/json")


def page(rows: Sequence[RowT], limit: int, render: Callable[[RowT], Json]) -> Json:
    """At most `limit` of limit + 1 rows, and whether there are more."""
    return {"object": "list", "data": [render(row) for row in rows[:limit]], "has_more": len(rows) > limit}


def shape(kind: str, row: Any, *names: str) -> Json:
    """What all resources have, and the columns that clients see as they are."""
    columns = {name: getattr(row, name) for name in names}
    return {"id": row.id, "object": kind, **columns, "created_at": time_text(row.created_at)}


def deleted(kind: str, row_id: str) -> Json:
    """What is no more."""
    return {"id": row_id, "object": kind, "deleted": True}


def public_result(result: Json) -> Json:
    """A result or a lineage without the `artifacts` that it points at."""
    return {name: value for name, value in result.items() if name != "artifacts"}


def time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
