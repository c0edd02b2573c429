"""The ASGI application, or create_app(settings):

`uvicorn --factory service.app:from_environment --http service.protocol:Protocol`
"""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service import health
from service.accounts import api_keys, audit_events, webhook_deliveries, webhook_endpoints
from service.comparisons import report_routes as method_reports
from service.comparisons import routes as method_comparisons
from service.data import files, indexings, pools, similar, targets, uploads
from service.data.requests import BatchRequest
from service.edge import stack as middleware
from service.edge.quotas import STORAGE_LEFT
from service.http import problems
from service.loops import report_routes as loop_reports
from service.loops import routes as loops
from service.models import evaluations, trainings
from service.models import routes as models
from service.openapi import docs
from service.openapi import document as openapi
from service.pages import accounts as account_pages
from service.pages import changes, downloads, home, starting
from service.pages import data as data_pages
from service.pages import routes as pages
from service.pages.records import routes as record_pages
from service.pages.records import similar as similar_pages
from service.selections import candidates, comparisons
from service.selections import items as selection_items
from service.selections import report_routes as reports
from service.selections import routes as selections
from service.services import open_state
from store.kit.exits import EXIT_CONFIGURATION, leave
from store.migrate import start_or_leave
from store.models.allow_list import BadModelList
from store.models.generators import BadEndpoints
from store.settings import MissingSetting, Settings, load_settings
from store.telemetry import logs, traces

ROUTES = (
    health,
    files,
    uploads,
    targets,
    pools,
    similar,
    indexings,
    selections,
    selection_items,
    reports,
    comparisons,
    candidates,
    trainings,
    evaluations,
    loops,
    loop_reports,
    method_comparisons,
    method_reports,
    models,
    api_keys,
    audit_events,
    webhook_endpoints,
    webhook_deliveries,
)

STORING = (files, uploads, targets, pools)  # what these take counts against the tenant's records and bytes


def create_app(settings: Settings) -> FastAPI:
    """The application over the servers that the settings name; nothing is opened before the first request."""
    state = open_state(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        state.database.dispose()

    app = FastAPI(
        title="EvoSelect",
        version="1",
        lifespan=lifespan,
        openapi_url=None,  # the framework would encode it at each request; openapi.install does it once
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
        redirect_slashes=False,  # a redirect would go where the Host header says
    )
    app.state.services = state
    for layer, arguments in reversed(middleware.stack(state)):
        app.add_middleware(layer, **arguments)
    problems.install(app)
    for module in ROUTES:
        app.include_router(module.router, dependencies=[STORAGE_LEFT] if module in STORING else [])
    for part in (home.root, home.router, starting.router, data_pages.router, account_pages.router):
        app.include_router(part)
    for part in (record_pages.router, similar_pages.router, downloads.router, changes.router, pages.router):
        app.include_router(part)
    if settings.show_docs:
        app.include_router(docs.router)
    openapi.install(app, BatchRequest)
    return app


def from_environment() -> FastAPI:
    """The application as EVOSELECT_* variables describe it; leaves the process when it could not serve."""
    try:
        logs.configure()
        settings = load_settings()
        start_or_leave(settings.database_url)
        traces.start(settings, "evoselect-api")
        app = create_app(settings)
    except (MissingSetting, BadModelList, BadEndpoints) as error:
        leave(EXIT_CONFIGURATION, str(error))
    app.openapi()  # made now: the first to ask would hold up all others for 0.7 s of processor time
    gc.collect()
    gc.freeze()  # looking through all that was imported would hold up every request for 50 ms and more
    return app
