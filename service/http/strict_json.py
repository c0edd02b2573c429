"""Routes whose JSON bodies are decoded strictly: UTF-8 only, no NaN, no lone surrogates, bounded nesting."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from service.http import json_pieces
from service.http.fair import FairRoute
from service.http.problems import Problem

AT_ONCE = 2**16  # bytes that are decoded where they are: a thread would take longer


class StrictRequest(Request):
    """Decodes with orjson; the standard library lets NaN and lone surrogates through."""

    async def json(self) -> Any:
        """The decoded body; raises json.JSONDecodeError, or Problem for one with too many values."""
        body = await self.body()
        if len(body) <= AT_ONCE:
            return orjson.loads(body)
        try:
            return await run_in_threadpool(json_pieces.loads, body)
        except json_pieces.TooManyValues:
            raise _too_many_values() from None


class StrictRoute(FairRoute):
    """A route that reads its body through StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler over the stricter request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def _too_many_values() -> Problem:
    detail = (
        f"The body has more than {json_pieces.MAX_VALUES} values; send records as NDJSON: to "
        "/v1/pools/{id}/batches, or as a file."
    )
    return Problem(413, "too_many_values", detail)
