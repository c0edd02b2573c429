"""What surrounds every request, outermost first.

CORS and Tracing where they are set, Heads, Journal, Envelope, Sessions, Authentication, RateLimit, Decoding,
BodyLimit.
"""

from typing import Any

from starlette.middleware.cors import CORSMiddleware

from service.edge.authentication import Authentication
from service.edge.body_limit import BodyLimit
from service.edge.decoding import Decoding
from service.edge.envelope import Envelope
from service.edge.heads import Heads
from service.edge.journal import Journal
from service.edge.rates import RateLimit
from service.edge.sessions import Sessions
from service.edge.tracing import Tracing
from service.services import State

HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Range")
SHOWN = ("ETag", "Idempotent-Replayed", "Location", "RateLimit", "Retry-After", "X-Request-Id")


def cross_origin(origins: str) -> list[tuple[Any, dict[str, Any]]]:
    """The layer that lets pages of other origins call the API; nothing where none may. Keys, no cookies."""
    allowed = [origin.strip() for origin in origins.split(",") if origin.strip()]
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    options = {"allow_methods": methods, "allow_headers": HEADERS, "expose_headers": SHOWN}
    return [(CORSMiddleware, {"allow_origins": allowed, **options})] if allowed else []


def stack(state: State) -> list[tuple[Any, dict[str, object]]]:
    """The middleware with its arguments, outermost first."""
    return [
        *cross_origin(state.settings.cors_origins),
        (Heads, {}),
        *([(Tracing, {})] if state.settings.trace_url else []),
        (Journal, {"metrics": state.metrics}),
        (Envelope, {}),
        (Sessions, {"state": state}),
        (Authentication, {"state": state}),
        (RateLimit, {"state": state}),
        (Decoding, {}),
        (BodyLimit, {"state": state}),
    ]
