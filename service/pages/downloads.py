"""The chosen rows as a file: as they came, as the table that they came as, or with their reasons."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from starlette.datastructures import MutableHeaders

from service.http.media import NDJSON, PARQUET
from service.http.parameters import ResourceId
from service.pages.rendering import PageRoute
from service.selections import items
from service.services import Services, TenantId

router = APIRouter(prefix="/ui/selections", route_class=PageRoute, include_in_schema=False)

Form = Literal["rows", "table", "reasons"]
SUFFIX = {"rows": "jsonl", "table": "parquet", "reasons": "jsonl"}


@router.get("/{job_id}/download")
def download(
    *, request: Request, job_id: ResourceId, state: Services, tenant_id: TenantId, form: Form = "rows"
) -> Response:
    """What the API gives with `format=original`, under a name."""
    kind = PARQUET if form == "table" else NDJSON
    scope = {**request.scope, "headers": list(request.scope["headers"])}
    MutableHeaders(scope=scope)["Accept"] = kind
    asked = Request(scope, request.receive)
    answer = items.items(
        job_id=job_id,
        request=asked,
        state=state,
        tenant_id=tenant_id,
        extra={},
        after=0,
        limit=None,
        format="original",
        reasons=form == "reasons",
    )
    name = f"selected-{job_id}.{SUFFIX[form]}"
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer
