"""What surrounds every request, outermost first: Heads, Tracing where it is on, Journal, Envelope,
Sessions, Authentication, RateLimit, Decoding, BodyLimit."""

from typing import Any

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


def stack(state: State) -> list[tuple[Any, dict[str, Any]]]:
    """The middleware with its arguments, outermost first."""
    return [
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
