"""Rows as the JSON that clients see; nothing of where files lie leaves the service."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import orjson
from fastapi import Response

from service.http.responses import Deleted, Page, ResponseModel
from store.kit.json import Json

RowT = TypeVar("RowT")
AnswerT = TypeVar("AnswerT")


def as_response(
    content: Mapping[str, object] | ResponseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON as it is: the schema is documentation, and checking each answer against it would be slow."""
    more = {
        name: value
        for name, value in (headers or {}).items()
        if name not in ("content-length", "content-type")
    }
    return Response(_encoded(content), status, more, "application/json")


def _encoded(content: Mapping[str, object] | ResponseModel) -> bytes:
    return content.model_dump_json().encode() if isinstance(content, ResponseModel) else orjson.dumps(content)


def page(rows: Sequence[RowT], limit: int, render: Callable[[RowT], AnswerT]) -> Page[AnswerT]:
    """At most `limit` of limit + 1 rows, and whether there are more."""
    return Page(object="list", data=[render(row) for row in rows[:limit]], has_more=len(rows) > limit)


def deleted(noun: str, row_id: str) -> Deleted:
    """What is no more."""
    return Deleted(id=row_id, object=noun, deleted=True)


def public_result(result: Json) -> Json:
    """A result or a lineage without the `artifacts` that it points at."""
    return {name: value for name, value in result.items() if name != "artifacts"}


def time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
