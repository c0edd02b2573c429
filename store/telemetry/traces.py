"""Traces by OpenTelemetry, from a request through the outbox into the workers, if EVOSELECT_TRACE_URL is set.

A trace is carried by its `traceparent` (W3C Trace Context): a header of requests, and a column of jobs and of
the outbox. Spans name ids, never content. Nothing of it is loaded here while traces are off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_providers: list["TracerProvider"] = []  # none, or the one of this process


def start(settings: Settings, service: str) -> None:
    """Send spans to the OTLP address of the settings; leaves the process where the extra is missing."""
    if not settings.trace_url:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        from store.kit.exits import EXIT_CONFIGURATION, leave

        leave(EXIT_CONFIGURATION, "EVOSELECT_TRACE_URL is set: install evoselect[otel], or leave it out")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.trace_url)))
    use(provider)


def use(provider: "TracerProvider") -> None:
    """Make spans through this provider from now on."""
    stop()
    _providers.append(provider)


def stop() -> None:
    """Send what waits, and make no more spans."""
    while _providers:
        _providers.pop().shutdown()


@contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int) -> Iterator["Span | None"]:
    """A span around the block, below the one that the traceparent names; None while traces are off."""
    if not _providers:
        yield None
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    above = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    named = {f"evoselect.{key}": value for key, value in attributes.items()}
    tracer = _providers[0].get_tracer("evoselect")
    with tracer.start_as_current_span(name, context=above, attributes=named) as made:
        yield made


def current() -> str | None:
    """The traceparent of the span that is open here."""
    if not _providers:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
