"""Who waits for a job's next event: one query a tick for all of them, however many there are."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from store.jobs import reads as job_reads
from store.session import Database

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.25  # how late an event is noticed at most, beside the query


class EventWatch:
    """One per process; used from its event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[tuple[int, asyncio.Future[None]]]] = {}  # by job id
        self._running: asyncio.Task[None] | None = None

    async def beyond(self, job_id: str, sequence: int, seconds: float) -> bool:
        """True as soon as the job has an event after `sequence`, False when the time is over."""
        loop = asyncio.get_running_loop()
        entry = (sequence, loop.create_future())
        self._waiting.setdefault(job_id, []).append(entry)
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        try:
            async with asyncio.timeout(seconds):
                await entry[1]
        except TimeoutError:
            return False
        finally:
            self._leave(job_id, entry)
        return True

    def _leave(self, job_id: str, entry: tuple[int, asyncio.Future[None]]) -> None:
        self._waiting[job_id].remove(entry)
        if not self._waiting[job_id]:
            del self._waiting[job_id]

    async def _run(self) -> None:
        while self._waiting:
            try:
                self._wake(await run_in_threadpool(self._read, list(self._waiting)))
            except SQLAlchemyError as error:  # who waits outlives an outage; the next tick tries again
                logger.warning("events cannot be read: %s", error)
            await asyncio.sleep(TICK_SECONDS)

    def _wake(self, newest: dict[str, int]) -> None:
        for job_id, last_event in newest.items():
            for sequence, future in self._waiting.get(job_id, ()):
                if last_event > sequence and not future.done():
                    future.set_result(None)

    def _read(self, job_ids: list[str]) -> dict[str, int]:
        with self._database.transaction() as session:
            return job_reads.last_events(session, job_ids)
