"""Reads of jobs, many at once: requests that come while a query runs share the next one.

A poll costs the database a fraction of a query, and what it sees is never older than the request.
"""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError

from service.polls import encoding
from store.jobs import reads as job_reads
from store.session import Database
from store.tables.states import TERMINAL

Key = tuple[str, str]
"""(tenant_id, job_id)"""


@dataclass(frozen=True, slots=True)
class JobRead:
    """A job as JSON, and what the routes need to know of it."""

    body: bytes
    etag: str
    kind: str
    done: bool
    last_event: int


class JobReads:
    """One per process; used from its event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "job-reads")
        self._wanted: dict[Key, asyncio.Future[JobRead | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def job(self, tenant_id: str, job_id: str) -> JobRead | None:
        """The tenant's job, read after this call; None when there is none."""
        loop = asyncio.get_running_loop()
        future = self._wanted.setdefault((tenant_id, job_id), loop.create_future())
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        return await asyncio.shield(future)  # others wait for it too

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._wanted:
            batch, self._wanted = self._wanted, {}
            try:
                found = await loop.run_in_executor(self._thread, self._read, list(batch))
            except Exception as error:
                for future in batch.values():
                    future.set_exception(error)
                    future.exception()  # whoever waited gets it; nobody may be left
                continue
            for key, future in batch.items():
                _settle(future, found.get(key))

    def _read(self, keys: list[Key]) -> dict[Key, JobRead | Exception]:
        """The jobs that exist; where they cannot be read together, each for itself or its error."""
        try:
            return dict(self._find(keys))
        except OperationalError:
            raise  # the database is away for all of them
        except Exception as error:
            if len(keys) == 1:
                return {keys[0]: error}
            return {key: found for one in keys for key, found in self._read([one]).items()}

    def _find(self, keys: list[Key]) -> dict[Key, JobRead]:
        with self._database.transaction() as session:
            rows = job_reads.find(session, keys)
            progress = job_reads.progress(session, [row.id for row in rows])
        found = {}
        for row in rows:
            body = encoding.encoded(row, progress[row.id])
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            read = JobRead(body, etag, row.kind, row.status in TERMINAL, row.last_event)
            found[row.tenant_id, row.id] = read
        return found


def _settle(future: asyncio.Future[JobRead | None], found: JobRead | Exception | None) -> None:
    if isinstance(found, Exception):
        future.set_exception(found)
        future.exception()  # whoever waited gets it; nobody may be left
    else:
        future.set_result(found)
