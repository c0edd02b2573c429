"""Two selections side by side: what they share, whether they rank it alike, and which targets gain."""

from fastapi import APIRouter

from service.http.fair import FairRoute
from service.http.parameters import ResourceId
from service.jobs.results import completed
from service.selections import comparing, responses
from service.services import Services, State, TenantId
from store.jobs import lifecycle as jobs
from store.jobs.requests import SelectionNames
from store.jobs.results import files_of
from store.results import items as selected
from store.tables.jobs import Job
from store.tables.states import JobKind

router = APIRouter(prefix="/v1/selections", route_class=FairRoute, tags=["selections"])


@router.get("/{job_id}/compare/{other_id}")
def compare(
    job_id: ResourceId, other_id: ResourceId, state: Services, tenant_id: TenantId
) -> responses.Comparison:
    """Overlap by content, correlation of ranks, and the change in coverage from the first to the second."""
    return comparison(state, tenant_id, job_id, other_id)


def comparison(state: State, tenant_id: str, job_id: str, other_id: str) -> responses.Comparison:
    """The same for those who have no request; raises NotFound, or Problem 409 before both are completed."""
    with state.database.transaction() as session:
        jobs.get(session, tenant_id, other_id, JobKind.SELECTION)  # before the first one's status is told
    first, second = (completed(state, tenant_id, name, what="items") for name in (job_id, other_id))
    digests = [_digest(state, job) for job in (first, second)]
    one, other = (SelectionNames.of(job.request, job.id).target_id for job in (first, second))
    return responses.Comparison(
        object="selection.comparison",
        selections=[job_id, other_id],
        overlap=comparing.overlap(*digests),
        rank_correlation=comparing.rank_correlation(*digests),
        coverage=comparing.coverage(*digests) if one == other else None,
        transport=comparing.change(*(_transport(job) for job in (first, second))),
    )


def _digest(state: State, job: Job) -> comparing.Digest:
    stored = files_of(job.result).items
    return comparing.digest(selected.read_groups(state.artifacts, stored, after=0, limit=stored.rows or 0))


def _transport(job: Job) -> float | None:
    found = (job.result or {}).get("diagnostics", {}).get("transport")
    return None if found is None else float(found)
