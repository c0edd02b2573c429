"""Routes that hold a slot of their tenant while they are handled, and one answer for many who ask at once."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from service.http import parameters
from service.http.shares import NOBODY, Shares

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
READS = frozenset(("GET", "HEAD"))


class FairRoute(APIRoute):
    """A route that counts against its tenant's share of threads.

    Coroutines that only read are left out: they wait without a thread, as polls do.
    """

    @property
    def fair(self) -> bool:
        """Whether requests are counted."""
        return not (inspect.iscoroutinefunction(self.endpoint) and set(self.methods or ()) <= READS)

    def get_route_handler(self) -> Handler:
        """The framework's handler with a slot around it; the answer is sent without one."""
        handler = self._knowing(super().get_route_handler())
        if not self.fair:
            return handler

        async def fair(request: Request) -> Response:
            shares: Shares = request.app.state.services.shares
            tenant_id = getattr(request.state, "tenant_id", NOBODY)
            async with (shares.strangers if tenant_id == NOBODY else shares.requests).of(tenant_id):
                return await handler(request)

        return fair

    def _knowing(self, handler: Handler) -> Handler:
        """The handler of a route below /v1, behind a look at the names in the query."""
        if not self.path.startswith("/v1/"):
            return handler
        names, prefixes = parameters.known(self)

        async def knowing(request: Request) -> Response:
            if request.query_params:
                parameters.require_known(request, names, prefixes)
            return await handler(request)

        return knowing


class Together(Generic[T]):
    """One computation in a thread for all who asked before it began; used from one event loop."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute
        self._next: asyncio.Future[T] | None = None
        self._running: asyncio.Task[None] | None = None

    async def answer(self) -> T:
        """What is computed after this call; raises what the computation raises."""
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.create_future()
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> None:
        while (asked := self._next) is not None:
            self._next = None
            try:
                found = await run_in_threadpool(self._compute)
            except Exception as error:
                asked.set_exception(error)
                asked.exception()  # whoever asked gets it; nobody may be left
            else:
                asked.set_result(found)
