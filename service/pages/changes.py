"""What the buttons of a job's page do, as a key with the same scopes may through the API."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from service.edge.sessions import check_token
from service.http import access
from service.http.parameters import ResourceId
from service.http.problems import Problem
from service.pages.forms import KINDS, Form, Noun
from service.pages.rendering import PageRoute
from service.services import Services, TenantId
from store.accounts import scopes
from store.jobs import lifecycle as jobs
from store.loops import pauses
from store.tables.states import MADE_OF_JOBS
from store.upkeep import sweeper

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)
WAYS = {"pause": pauses.pause, "resume": pauses.resume}


def _allowed(request: Request, form: Form, state: Services) -> None:
    """Raises Problem 403 for a form of another session, and for a key that may only look."""
    check_token(state, request.state.cookie, form.get("token", ""))
    held, noun = request.state.principal.scopes, request.url.path.split("/")[2]
    if not scopes.allows(held, access.TABLE[noun].change):
        raise Problem(403, "insufficient_scope", f"Your key has {', '.join(sorted(held))}, which only looks.")


Allowed = Annotated[None, Depends(_allowed)]


@router.post("/{noun}/{job_id}/cancel")
def cancel(*, noun: Noun, job_id: ResourceId, state: Services, tenant_id: TenantId, _: Allowed) -> Response:
    """Ask it to stop; the steps of a loop or comparison with it."""
    with state.database.transaction() as session:
        jobs.request_cancel(session, tenant_id, job_id, KINDS[noun])
    if KINDS[noun] in MADE_OF_JOBS:
        sweeper.cancel_steps(state.database, job_id)
    return RedirectResponse(f"/ui/{noun}/{job_id}", 303)


@router.post("/{noun}/{job_id}/{way}")
def pause_or_resume(
    *,
    noun: Literal["loops", "comparisons"],
    job_id: ResourceId,
    way: Literal["pause", "resume"],
    state: Services,
    tenant_id: TenantId,
    _: Allowed,
) -> Response:
    """Begin nothing further, or go on."""
    with state.database.transaction() as session:
        WAYS[way](session, tenant_id, job_id, KINDS[noun])
    return RedirectResponse(f"/ui/{noun}/{job_id}", 303)
