"""Pages that show what a selection made of each record, and one candidate with the reason."""

from typing import Annotated
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.http.media import NDJSON
from service.http.parameters import ResourceId
from service.jobs.results import completed
from service.pages.facts import title
from service.pages.records import candidate as of_candidate
from service.pages.records import selection as rows
from service.pages.records.filters import FilterQuery, browsed
from service.pages.rendering import PageRoute, render
from service.selections.candidates import told_of
from service.services import Services, TenantId
from store.data import pools, targets
from store.errors import NotFound
from store.jobs.requests import SelectionNames
from store.jobs.results import files_of
from store.tables.jobs import Job

router = APIRouter(prefix="/ui/selections", route_class=PageRoute, include_in_schema=False)
CandidateId = Annotated[str, Path(min_length=1, max_length=256)]
Show = Annotated[rows.Kind, Query()]


@router.get("/{job_id}/records")
def records_page(
    *,
    request: Request,
    job_id: ResourceId,
    state: Services,
    tenant_id: TenantId,
    asked: FilterQuery,
    show: Show = "selected",
) -> Response:
    """A page of them; the filter is in the address."""
    job = completed(state, tenant_id, job_id, what="records")
    found, following, total = rows.page(state, job, show, asked)
    count, extras = _held(state, tenant_id, job)
    return render(
        request,
        "rows/selection.html",
        job={"id": job.id, "name": title(job.name, job.kind, job.created_at)},
        show=show,
        kinds=rows.counts(job, count),
        kept=[("show", show)],
        asked=asked,
        fault=asked.fault,
        extras=extras,
        reported=f"/ui/selections/{job.id}/report" if files_of(job.result).report else "",
        scored={"selected": "Score", "left_out": "Cosine"}.get(show, ""),
        browsed=browsed(
            asked, found, following, total, kept=[("show", show)], part=show in ("left_out", "unusable")
        ),
    )


@router.get("/{job_id}/records/export")
def export(
    *, job_id: ResourceId, state: Services, tenant_id: TenantId, asked: FilterQuery, show: Show = "selected"
) -> Response:
    """All that the filter keeps, as lines."""
    job = completed(state, tenant_id, job_id, what="records")
    lines = (
        orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows.exported(state, job, show, asked)
    )
    name = quote(f"{show}-{job_id}.jsonl")
    return StreamingResponse(
        lines, media_type=NDJSON, headers={"Content-Disposition": f"attachment; filename={name}"}
    )


@router.get("/{job_id}/candidates/{candidate_id:path}")
def one(
    *, request: Request, job_id: ResourceId, candidate_id: CandidateId, state: Services, tenant_id: TenantId
) -> Response:
    """Why this one, or why not."""
    job = completed(state, tenant_id, job_id, what="candidates")
    told = told_of(state, tenant_id, job_id, candidate_id)
    name = {"id": job.id, "name": title(job.name, job.kind, job.created_at)}
    return render(request, "rows/candidate.html", job=name, **of_candidate.shown(state, job, told))


def _held(state: Services, tenant_id: str, job: Job) -> tuple[int | None, list[str]]:
    """How many examples the target has, and the columns that travel along."""
    asked = SelectionNames.of(job.request, job.id)
    with state.database.transaction() as session:
        batches = pools.batches(session, asked.pool_id, asked.pool_version)
        extras = sorted({name for batch in batches for name in batch.recognised.get("extra", [])})
        try:
            return targets.get(session, tenant_id, asked.target_id).count, extras
        except NotFound:
            return None, extras
