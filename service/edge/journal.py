"""Outermost: one log line and one measurement for every request, whatever became of it."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.metrics import Metrics

logger = logging.getLogger("evoselect.requests")
MAX_PATH = 256  # characters of a path in the log


class Journal:
    """Writes down method, path, status and milliseconds; ids and lengths, never content."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, sent = time.perf_counter(), 0, 0

        async def send_noted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path_format", "unmatched")
            self._metrics.request(scope["method"], route, status, seconds)
            self._write(scope, status, sent, seconds)

    def _write(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        state = scope.get("state", {})
        principal = state.get("principal")
        fields = {
            "request": state.get("request_id"),
            "tenant": state.get("tenant_id"),
            "key": principal.key_id if principal else None,
            "method": scope["method"],
            "path": scope["path"][:MAX_PATH],
            "status": status,
            "bytes": sent,
            "ms": round(1000 * seconds, 2),
        }
        logger.info("request", extra=fields)
