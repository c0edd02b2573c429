"""What each tenant may take of one API process at a time: further requests wait in line, or come back later.

The framework's threads are shared by all (state.REQUEST_THREADS), and so is memory. No tenant can hold more
than its share of either, so that the others find some left whatever one of them sends.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from service.http.problems import Problem

NOBODY = ""  # who has shown no key; all of them are one tenant
RETRY_SECONDS = "2"


class Slots:
    """At most `each` at a time of every tenant; used from one event loop."""

    def __init__(self, what: str, each: int, *, line: int = 0, seconds: float = 30.0) -> None:
        self._what = what
        self._each = each
        self._line = line  # how many of one tenant may wait
        self._seconds = seconds  # and how long
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, tenant_id: str) -> AsyncIterator[None]:
        """Hold one; raises Problem 429 where the line is full or too slow."""
        await self.enter(tenant_id)
        try:
            yield
        finally:
            self.leave(tenant_id)

    @asynccontextmanager
    async def turn(self, tenant_id: str) -> AsyncIterator["Turn"]:
        """Hold one until the turn is ended, at the end of the block at the latest."""
        await self.enter(tenant_id)
        turn = Turn(self, tenant_id)
        try:
            yield turn
        finally:
            turn.end()

    async def enter(self, tenant_id: str) -> None:
        """Take one; whoever does gives it back by `leave`."""
        if self._held[tenant_id] < self._each:
            self._held[tenant_id] += 1
            return
        line = self._waiting.setdefault(tenant_id, deque())
        if len(line) >= self._line:
            raise self._refusal()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # handed over in the same moment
                self.leave(tenant_id)
            elif turn in line:
                line.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._refusal() from None
            raise

    def leave(self, tenant_id: str) -> None:
        """Give one back: to the first in line, if there is one."""
        line = self._waiting.get(tenant_id)
        while line:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._waiting.pop(tenant_id, None)
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]

    def _refusal(self) -> Problem:
        return _too_many(self._each, self._what)


@dataclass(slots=True)
class Turn:
    """A slot that is held."""

    slots: Slots
    tenant_id: str
    held: bool = True

    def end(self) -> None:
        """Give it back, once."""
        if self.held:
            self.held = False
            self.slots.leave(self.tenant_id)


class Counted:
    """The same for threads, which do not wait: more than `each` come back later."""

    def __init__(self, what: str, each: int) -> None:
        self._what = what
        self._each = each
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    @contextmanager
    def of(self, tenant_id: str) -> Iterator[None]:
        """Hold one; raises Problem 429 where there is none left."""
        with self._lock:
            if self._held[tenant_id] >= self._each:
                raise _too_many(self._each, self._what)
            self._held[tenant_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[tenant_id] -= 1
                if not self._held[tenant_id]:
                    del self._held[tenant_id]


def _too_many(each: int, what: str) -> Problem:
    detail = f"{each} {what} of yours are under way, as many as one process takes at a time; send it again."
    return Problem(429, "too_many_at_once", detail, headers={"Retry-After": RETRY_SECONDS})


@dataclass(frozen=True, slots=True)
class Shares:
    """One per process."""

    requests: Slots = field(default_factory=lambda: Slots("requests", 12, line=512))
    """That use threads: three tenants at their bound leave some of the threads to the others."""
    strangers: Slots = field(default_factory=lambda: Slots("requests without a key", 4, line=128, seconds=5))
    """The same without a key: forms, styles, documents."""
    beginnings: Slots = field(default_factory=lambda: Slots("requests that begin", 16, line=4096))
    """From the key to the route: between two steps of one request the event loop takes one of every other."""
    lookups: Slots = field(default_factory=lambda: Slots("checks of keys", 4, line=1024))
    """Queries that ask whom a key belongs to."""
    large: Slots = field(default_factory=lambda: Slots("large bodies", 3, line=128, seconds=120))
    """Bodies that take memory beyond their own bytes."""
    streams: Slots = field(default_factory=lambda: Slots("event streams", 500))
    reads: Slots = field(default_factory=lambda: Slots("reads of events", 4, line=512, seconds=600))
    """That event streams make when something has happened."""
    parquet: Counted = field(default_factory=lambda: Counted("Parquet files", 2))
    """Processes that read them, of about 120 MB each."""
    templates: Counted = field(default_factory=lambda: Counted("batches with a template", 2))
    """Processes that render them, of about 90 MB each."""
