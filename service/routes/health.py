"""Whether the process lives, whether it can serve, and what it is. No key needed."""

import importlib.metadata
from typing import Any

from fastapi import APIRouter
from sqlalchemy.exc import OperationalError

from service import problems
from service.state import Services

router = APIRouter(tags=["health"])


@router.get("/livez")
def livez() -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(state: Services) -> dict[str, Any]:
    """The database answers; jobs are accepted without the broker too, so that one is not asked."""
    try:
        state.database.ping()
    except OperationalError:
        raise problems.unavailable() from None
    return {"status": "ok", "database": "ok"}


@router.get("/version")
def version() -> dict[str, Any]:
    """The release of the service."""
    return {"name": "evoselect", "version": importlib.metadata.version("evoselect")}
