"""A job's events as server-sent events, replayed from the database and followed to the end."""

from collections.abc import AsyncIterator

import orjson
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from service.polls import views
from service.services import State
from store.jobs import lifecycle as jobs
from store.tables.jobs import Event, Job
from store.tables.states import TERMINAL

MEDIA_TYPE = "text/event-stream"
PING_SECONDS = 12.0  # a comment so often keeps proxies from closing a quiet stream
PAGE = 1000  # events read at a time
ENDS = frozenset(f"job.{status}" for status in TERMINAL)


async def events(
    state: State, tenant_id: str, job_id: str, after: int, *, ping_seconds: float = PING_SECONDS
) -> AsyncIterator[bytes]:
    """Events with a number above `after` as they come; ends after the one that ends the job."""
    while True:
        async with state.shares.reads.of(tenant_id):
            rows = await run_in_threadpool(read, state, job_id, after)
        for row in rows:
            after = row.sequence
            yield _encode(row)
            if row.type in ENDS:
                return
        if not rows and not await state.event_watch.beyond(job_id, after, ping_seconds):
            yield b": ping\n\n"


class EventStream(StreamingResponse):
    """An answer of events; one more of the tenant's streams while it is open."""

    def __init__(self, state: State, job: Job, after: int) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # proxies pass events on at once
        content = events(state, job.tenant_id, job.id, after)
        super().__init__(content, media_type=MEDIA_TYPE, headers=headers)
        self._slots = state.shares.streams
        self._tenant_id = job.tenant_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them; raises Problem 429 where the tenant has too many open."""
        async with self._slots.of(self._tenant_id):
            await super().__call__(scope, receive, send)


def read(state: State, job_id: str, after: int) -> list[Event]:
    """The next events, in order."""
    with state.database.transaction() as session:
        return jobs.events(session, job_id, after=after, limit=PAGE)


def _encode(row: Event) -> bytes:
    data = orjson.dumps(views.event(row)).decode()
    return format_sse_event(data_str=data, event=row.type, id=str(row.sequence))
