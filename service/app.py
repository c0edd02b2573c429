"""The ASGI application: `uvicorn --factory service.app:from_environment`, or create_app(settings)."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from service import middleware, problems
from service.routes import (
    api_keys,
    audit_events,
    evaluations,
    files,
    health,
    models,
    pools,
    selections,
    targets,
    trainings,
    webhook_deliveries,
    webhook_endpoints,
)
from service.state import open_state
from store.migrate import NotAtHead, require_head
from store.model_registry import BadModelList
from store.settings import MissingSetting, Settings, load_settings

ROUTES = (
    health,
    files,
    targets,
    pools,
    selections,
    trainings,
    evaluations,
    models,
    api_keys,
    audit_events,
    webhook_endpoints,
    webhook_deliveries,
)

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: the database does not answer
EXIT_CONFIGURATION = 78  # EX_CONFIG: a setting is missing, or the database has another shape


def create_app(settings: Settings) -> FastAPI:
    """The application over the servers that the settings name; nothing is opened before the first request."""
    state = open_state(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        state.database.dispose()

    app = FastAPI(title="EvoSelect", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.services = state
    for layer, arguments in reversed(middleware.stack(state)):
        app.add_middleware(layer, **arguments)
    problems.install(app)
    for module in ROUTES:
        app.include_router(module.router)
    return app


def from_environment() -> FastAPI:
    """The application as EVOSELECT_* variables describe it; leaves the process when it could not serve."""
    try:
        settings = load_settings()
        require_head(settings.database_url)
        return create_app(settings)
    except OperationalError as error:
        _leave(
            EXIT_UNAVAILABLE,
            f"the database does not answer ({str(error.orig).strip()}): start it, then try again",
        )
    except (MissingSetting, NotAtHead, BadModelList) as error:
        _leave(EXIT_CONFIGURATION, str(error))


def _leave(code: int, reason: str) -> NoReturn:
    print(f"evoselect: {reason}", file=sys.stderr, flush=True)
    raise SystemExit(code)
