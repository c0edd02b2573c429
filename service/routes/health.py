"""Whether the process lives, whether it can serve, and what it is. No key needed."""

import importlib.metadata
from typing import Any

import redis
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.exc import OperationalError

from service import answers, problems
from service.state import Services
from store.settings import INSTANCE_HEADER

PING_SECONDS = 0.5

router = APIRouter(tags=["health"])


@router.get("/livez", response_model=answers.Livez)
async def livez() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", response_model=answers.Readyz)
def readyz(state: Services, response: Response) -> dict[str, Any]:
    """The database answers. Without the broker jobs are accepted all the same: degraded, but ready."""
    try:
        state.database.ping()
    except OperationalError:
        raise problems.unavailable() from None
    if state.settings.instance:
        response.headers[INSTANCE_HEADER] = state.settings.instance
    broker = _broker_answers(state.settings.redis_url)
    return {
        "status": "ok" if broker else "degraded",
        "database": "ok",
        "redis": "ok" if broker else "down",
    }


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(state: Services) -> Response:
    """Requests of this process and jobs of the whole deployment, for Prometheus; nothing of one tenant."""
    return Response(state.metrics.render(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/version", response_model=answers.Version)
async def version() -> dict[str, Any]:
    """The release of the service."""
    return {"name": "evoselect", "version": importlib.metadata.version("evoselect")}


def _broker_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(
            url, socket_timeout=PING_SECONDS, socket_connect_timeout=PING_SECONDS
        ) as one:
            return bool(one.ping())
    except (redis.RedisError, ValueError):
        return False
