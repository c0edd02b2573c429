"""Whether the process lives, whether it can serve, and what it is. No key needed."""

import importlib.metadata

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.exc import OperationalError

from service.http import problems
from service.http.fair import FairRoute
from service.http.responses import Livez, Readyz, Version
from service.services import Services
from store.settings import INSTANCE_HEADER

router = APIRouter(route_class=FairRoute, tags=["health"])
TEXT = {"type": "string", "description": "Lines in the text format of Prometheus."}


@router.get("/livez")
async def livez() -> Livez:
    """The process answers."""
    return Livez(status="ok")


@router.get("/readyz")
async def readyz(state: Services, response: Response) -> Readyz:
    """The database answers. Without the broker jobs are accepted all the same: degraded, but ready."""
    try:
        broker = await state.readiness.answer()
    except OperationalError:
        raise problems.unavailable() from None
    if state.settings.instance:
        response.headers[INSTANCE_HEADER] = state.settings.instance
    return Readyz(status="ok" if broker else "degraded", database="ok", redis="ok" if broker else "down")


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": TEXT}}}},
)
async def metrics(state: Services) -> Response:
    """Requests of this process and jobs of the whole deployment, for Prometheus; nothing of one tenant."""
    return Response(await state.metrics.page(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/version")
async def version() -> Version:
    """The release of the service."""
    return Version(name="evoselect", version=importlib.metadata.version("evoselect"))
