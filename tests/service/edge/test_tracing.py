"""A trace runs from the request through the outbox into the worker; ids only, no content."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select

from store.artifacts import Artifacts
from store.jobs import outbox
from store.tables.jobs import Job, Outbox
from store.telemetry import traces
from tests.live import Api, Json, question, serve
from workers.context import Context
from workers.process.workplace import Workplace

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY: Json = {"target": [question(1)], "candidates": [question(n) for n in range(2, 6)], "k": 1}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What this process has traced."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.use(provider)
    yield exporter
    traces.stop()


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def above(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def work_on(api: Api) -> list[str]:
    """Publish what was promised, and try the shards, whose records are gone; returns the rings."""
    rings: list[str] = []
    with api.database.transaction() as session:
        outbox.publish(session, rings.append)
    shutil.rmtree(api.settings.artifacts_url.removeprefix("file://"))
    context = Context(api.settings, api.database, Artifacts(api.settings.artifacts_url))
    assert Workplace(context, ["features"]).drain() == 2  # targets and candidates
    return rings


def test_one_trace_from_the_callers_span_to_the_shard(
    spans: InMemorySpanExporter, database_url: str, tmp_path: Path
) -> None:
    with serve(database_url, tmp_path, trace_url="in memory") as api:
        answer = api.call("POST", "/v1/selections", json=BODY, headers={"traceparent": CALLER})
        assert work_on(api) == ["features", "features"]
    found = by_name(spans)
    names = ("POST /v1/selections", "ring features", "shard features")
    request, ring, shard = (found[name] for name in names)
    assert {span.context.trace_id for span in (request, ring, shard)} == {int(CALLER.split("-")[1], 16)}
    asked = request.context.span_id
    assert [above(span) for span in (request, ring, shard)] == [int(CALLER.split("-")[2], 16), asked, asked]
    assert dict(request.attributes or {}) == {
        "evoselect.request": answer.headers["x-request-id"],
        "http.response.status_code": 202,
    }
    assert (shard.attributes or {})["evoselect.job"] == answer.json()["id"]
    assert "+" not in " ".join(str(span.attributes) for span in found.values())  # every prompt has one


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 5000])
def test_a_caller_that_names_no_trace_gets_one_of_ours(spans: InMemorySpanExporter, header: str) -> None:
    with traces.span("test", header) as span:
        assert span is not None
        mine = span.get_span_context().trace_id
    assert by_name(spans)["test"].parent is None
    assert mine != 0


def test_without_traces_rows_name_none(database_url: str, tmp_path: Path) -> None:
    with serve(database_url, tmp_path) as api:
        job_id = api.made("/v1/selections", BODY)["id"]
        with api.database.transaction() as session:
            assert session.get_one(Job, job_id).traceparent is None
            assert set(session.scalars(select(Outbox.traceparent))) == {None}
