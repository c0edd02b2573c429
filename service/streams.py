"""A job's events as server-sent events, replayed from the database and followed to the end."""

from collections.abc import AsyncIterator

import orjson
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from service import views
from service.state import State
from store import jobs
from store.models import Event
from store.states import TERMINAL

MEDIA_TYPE = "text/event-stream"
PING_SECONDS = 12.0  # a comment so often keeps proxies from closing a quiet stream
PAGE = 1000  # events read at a time
ENDS = frozenset(f"job.{status}" for status in TERMINAL)


async def events(
    state: State, job_id: str, after: int, *, ping_seconds: float = PING_SECONDS
) -> AsyncIterator[bytes]:
    """Events with a number above `after` as they come; ends after the one that ends the job."""
    while True:
        rows = await run_in_threadpool(read, state, job_id, after)
        for row in rows:
            after = row.sequence
            yield _encode(row)
            if row.type in ENDS:
                return
        if not rows and not await state.watch.beyond(job_id, after, ping_seconds):
            yield b": ping\n\n"


def read(state: State, job_id: str, after: int) -> list[Event]:
    """The next events, in order."""
    with state.database.transaction() as session:
        return jobs.events(session, job_id, after=after, limit=PAGE)


def _encode(row: Event) -> bytes:
    data = orjson.dumps(views.event(row)).decode()
    return format_sse_event(data_str=data, event=row.type, id=str(row.sequence))
