"""What the processes of the service hold on to: settings, database, artifact store."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import redis
from fastapi import Depends, Request

from service.http.fair import Together
from service.http.metrics import Metrics
from service.http.shares import Shares
from service.polls.event_watch import EventWatch
from service.polls.reads import JobReads
from store.artifacts import Artifacts
from store.models.allow_list import ModelSource, models
from store.models.generators import endpoints
from store.session import Database
from store.settings import Settings

PING_SECONDS = 0.5
REQUEST_THREADS = 40  # of the framework's pool: none of them ever waits for a connection


@dataclass(frozen=True, slots=True)
class State:
    """Built once per process."""

    settings: Settings
    database: Database
    artifacts: Artifacts
    models: dict[str, ModelSource]
    """The allow-list, by alias."""
    reads: JobReads
    """Where routes read the state of one job."""
    event_watch: EventWatch
    """Where routes wait for the next event of one job."""
    metrics: Metrics
    shares: Shares
    """What each tenant may take of this process."""
    readiness: Together[bool]
    """Whether the broker answers; raises OperationalError where the database does not."""


def open_state(settings: Settings) -> State:
    """Connections are opened on first use; raises BadModelList or BadEndpoints for the operator's lists."""
    endpoints(settings.endpoints)  # read anew at each use; a fault in it is to be told at the start
    database = Database(settings.database_url, pool_size=REQUEST_THREADS)
    return State(
        settings,
        database,
        Artifacts(settings.artifacts_url),
        models(settings.models),
        JobReads(database),
        EventWatch(database),
        Metrics(database),
        Shares(),
        Together(partial(_broker_answers, database, settings.redis_url)),
    )


def _broker_answers(database: Database, url: str) -> bool:
    database.ping()
    try:
        with redis.Redis.from_url(
            url, socket_timeout=PING_SECONDS, socket_connect_timeout=PING_SECONDS
        ) as broker:
            return bool(broker.ping())
    except (redis.RedisError, ValueError):
        return False


async def _state(request: Request) -> State:  # a coroutine: others would go through a thread
    state: State = request.app.state.services
    return state


async def _tenant(request: Request) -> str:
    tenant_id: str = request.state.tenant_id  # set by Authentication for everything below /v1
    return tenant_id


Services = Annotated[State, Depends(_state)]
TenantId = Annotated[str, Depends(_tenant)]
