"""Prometheus metrics: requests as this process counts them, jobs as the database has them at scrape time."""

from collections.abc import Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from service.http.fair import Together
from store.session import Database
from store.upkeep import gauges as job_gauges

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)  # seconds
METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"))


class Metrics:
    """One per process. No label names a tenant or an id, so their number is bounded."""

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "evoselect_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "evoselect_request_seconds",
            "Time until the last byte of the answer.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_Jobs(database))
        self._pages = Together(partial(generate_latest, self._registry))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; status 0 is a client that left before its answer."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    async def page(self) -> bytes:
        """The text that Prometheus reads; who asks at the same time reads the same."""
        return await self._pages.answer()


class _Jobs:
    """Gauges that are read from the database whenever they are asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing in advance: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The present numbers."""
        with self._database.transaction() as session:
            gauges = job_gauges.read(session)
        for gauge in gauges:
            family = GaugeMetricFamily(f"evoselect_{gauge.name}", gauge.about, labels=gauge.labels)
            for labels, value in gauge.values.items():
                family.add_metric(labels, value)
            yield family
