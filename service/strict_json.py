"""Routes whose JSON bodies are decoded strictly: UTF-8 only, no NaN, no lone surrogates, bounded nesting."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response

from service.fair import FairRoute


class StrictRequest(Request):
    """Decodes with orjson; the standard library lets NaN and lone surrogates through."""

    async def json(self) -> Any:
        """The decoded body; raises json.JSONDecodeError."""
        return orjson.loads(await self.body())


class StrictRoute(FairRoute):
    """A route that reads its body through StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler over the stricter request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict
