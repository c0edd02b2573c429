"""Outermost where traces are on: one span for every request, below the caller's own where it names one."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store.telemetry import traces


class Tracing:
    """Opens the span that jobs, notifications and shards made by the request stand below."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parent = Headers(scope=scope).get("traceparent")
        with traces.span(scope["method"], parent) as span:

            async def send_noted(message: Message) -> None:
                if span and message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path_format", "unmatched")
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.response.status_code", message["status"])
                    span.set_attribute("evoselect.request", scope["state"]["request_id"])
                await send(message)

            await self.app(scope, receive, send_noted)
